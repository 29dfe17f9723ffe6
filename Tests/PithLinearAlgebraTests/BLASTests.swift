#if !canImport(Accelerate)
  import COpenBLAS
  import CPithKernels
  import PithLinearAlgebra
  import PithTensors
  import Testing

  @Suite struct BLASTests {
    /// The kernels of a processor of 2004 are four times as slow as those of one with AVX2.
    @Test func aProcessorThatOpenBLASDoesNotKnowGetsFittingKernels() {
      let ones = Matrix(rows: 3, columns: 3, values: [Float](repeating: 1, count: 9))
      #expect(ones.times(ones).values == [Float](repeating: 3, count: 9))
      guard pith_is_available(PITH_AVX2) else { return }
      #expect(String(cString: openblas_get_corename()) != "Prescott")
    }
  }
#endif
