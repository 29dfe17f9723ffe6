import CPithKernels
import Testing

/// The suites that choose the instructions in use, one after the other: the choice is the whole process's.
@Suite(.serialized) enum InstructionSets {
  /// Those that this processor runs, the scalar ones first.
  static let available = [PITH_SCALAR, PITH_AVX2, PITH_AVX512, PITH_NEON].filter { pith_is_available($0) }

  /// Runs `body` with the kernels of one instruction set.
  static func using<R>(_ set: pith_instruction_set, _ body: () throws -> R) rethrows -> R {
    let former = pith_instruction_set_in_use()
    #expect(pith_use_instruction_set(set))
    defer { _ = pith_use_instruction_set(former) }
    return try body()
  }
}

extension pith_instruction_set: @retroactive CustomTestStringConvertible {
  /// The name that PITH_INSTRUCTIONS takes.
  public var testDescription: String {
    switch self {
    case PITH_SCALAR: "scalar"
    case PITH_AVX2: "avx2"
    case PITH_AVX512: "avx512"
    case PITH_NEON: "neon"
    default: "instruction set \(rawValue)"
    }
  }
}
