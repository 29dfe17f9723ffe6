import PithLinearAlgebra
import PithTensors
import Testing

@Suite struct LinearAlgebraTests {
  @Test(arguments: [(1, 1, 1), (3, 5, 2), (17, 4, 33)])
  func productsAreThoseOfTheDefinition(m: Int, k: Int, n: Int) {
    let (a, b) = (random(m, k, 1), random(k, n, 2))
    var expected = Matrix(rows: m, columns: n)
    for i in 0..<m { for j in 0..<n { for l in 0..<k { expected[i, j] += a[i, l] * b[l, j] } } }
    #expect(distance(a.times(b), expected) < 1e-4)
    #expect(distance(a.transposed.times(b, transposed: true), expected) < 1e-4)
    #expect(distance(a.times(b.transposed, otherTransposed: true), expected) < 1e-4)
  }

  @Test func gramMatricesAddUpOverBatches() {
    let x = random(40, 7, 3)
    var gram = GramMatrix(columns: 7)
    gram.add(Matrix(rows: 15, columns: 7, values: Array(x.values[..<105])))
    gram.add(Matrix(rows: 25, columns: 7, values: Array(x.values[105...])))
    gram.add(Matrix(rows: 0, columns: 7))
    let whole = x.times(x, transposed: true)
    #expect(distance(gram.scaled(by: 1), whole) < 1e-3)
    #expect(
      distance(
        gram.scaled(by: 0.5).times(identity(7)),
        Matrix(rows: 7, columns: 7, values: whole.values.map { $0 / 2 })) < 1e-3)
  }

  @Test(arguments: [1, 2, 31])
  func theCholeskyFactorIsUpperAndInvertsAndSolves(size: Int) throws {
    let x = random(2 * size + 3, size, 4)
    let a = SymmetricMatrix(x.times(x, transposed: true))
    let factor = try #require(a.cholesky())
    for i in 0..<size {
      for j in i..<size {
        let product = (0...i).reduce(0.0) { $0 + factor[$1, i] * factor[$1, j] }
        #expect(abs(product - a[i, j]) < 1e-9 * Double(size) * a[i, i])
      }
    }
    let inverse = factor.inverse()
    for i in 0..<size {
      for j in 0..<size {
        let product = (0..<size).reduce(0.0) { $0 + a[i, $1] * inverse[$1, j] }
        #expect(abs(product - (i == j ? 1 : 0)) < 1e-6)
      }
    }
  }

  @Test(arguments: [0, 1, 2, 3, 31])
  func theFactorOfTheInverseIsUpperAndMultipliesToIt(size: Int) throws {
    let x = random(2 * size + 3, size, 5)
    let a = SymmetricMatrix(x.times(x, transposed: true))
    let factor = try #require(a.inverseCholesky())
    let inverse = try #require(a.cholesky()).inverse()
    for i in 0..<size {
      #expect(factor[i, i] > 0)
      for j in i..<size {
        let product = (0...i).reduce(0.0) { $0 + factor[$1, i] * factor[$1, j] }
        #expect(abs(product - inverse[i, j]) < 1e-8 * inverse[i, i].squareRoot() * inverse[j, j].squareRoot())
      }
    }
  }

  @Test func aMatrixThatIsNotPositiveHasNoFactor() {
    #expect(SymmetricMatrix(size: 2, values: [1, 2, 2, 1]).inverseCholesky() == nil)
    #expect(SymmetricMatrix(size: 2, values: [1, 2, 2, 1]).cholesky() == nil)
    #expect(SymmetricMatrix(size: 1, values: [0]).cholesky() == nil)
  }

  @Test(arguments: [(1, 1), (5, 9), (9, 5)])
  func singularVectorsMultiplyBackToTheMatrix(rows: Int, columns: Int) throws {
    let a = random(rows, columns, 5)
    let svd = try #require(SingularValues(of: a))
    var scaled = svd.u
    for row in 0..<rows { for i in svd.s.indices { scaled[row, i] *= svd.s[i] } }
    #expect(distance(scaled.times(svd.vTransposed), a) < 1e-5)
    #expect(svd.s == svd.s.sorted(by: >))
    #expect(distance(svd.u.times(svd.u, transposed: true), identity(svd.s.count)) < 1e-5)
  }

  @Test func eigenvectorsDiagonalise() throws {
    let x = random(20, 6, 6)
    let a = SymmetricMatrix(x.times(x, transposed: true))
    let (values, vectors) = try #require(a.eigenvectors())
    #expect(values == values.sorted())
    for (value, vector) in zip(values, vectors) {
      for i in 0..<6 {
        #expect(abs((0..<6).reduce(0.0) { $0 + a[i, $1] * vector[$1] } - value * vector[i]) < 1e-8)
      }
    }
  }

  private func identity(_ size: Int) -> Matrix {
    var one = Matrix(rows: size, columns: size)
    for i in 0..<size { one[i, i] = 1 }
    return one
  }

  private func random(_ rows: Int, _ columns: Int, _ seed: UInt64) -> Matrix {
    var generator = SeededGenerator(seed: seed)
    return Matrix(
      rows: rows, columns: columns, values: (0..<(rows * columns)).map { _ in generator.uniform() - 0.5 })
  }

  private func distance(_ a: Matrix, _ b: Matrix) -> Float {
    #expect(a.rows == b.rows && a.columns == b.columns)
    return zip(a.values, b.values).map { abs($0 - $1) }.max() ?? 0
  }
}
