import CPithKernels
import PithTensors

/// Codes that index tables of vectors: each run of `dimension` weights of a row is a sum of codewords.
///
///     w[j·d ..< (j+1)·d] ≈ s · (C₁[c₁] + … + C_M[c_M])
///
/// with d the dimension, M codebooks of 2^bits codewords, and s the scale of the row. One codebook is vector
/// quantization; several are additive quantization. Run j takes its codebooks from set j mod `sets`, so one set serves
/// all runs, and several are the sub-spaces of product quantization. Sources: Jégou et al., *Product quantization for
/// nearest neighbor search*, PAMI 33, 2011; Babenko and Lempitsky, *Additive quantization*, CVPR 2014; AQLM (arXiv
/// 2401.06118).
public struct VectorCodebook: Sendable {
  /// The size of codes and codebooks.
  public struct Layout: Sendable, Equatable {
    /// Weights per codeword, 1–1024.
    public var dimension: Int
    /// Codewords in each sum, 1–16.
    public var codebooks: Int
    /// Bits per code, 1–12.
    public var bits: Int
    /// How many sets of codebooks the runs of a row take turns in.
    public var sets: Int

    /// What the numbers may be: larger ones help no model.
    public static let dimensions = 1...1024
    /// What the numbers may be.
    public static let codebookCounts = 1...16
    /// What the numbers may be.
    public static let bitCounts = 1...12

    /// A layout with the given sizes.
    public init(dimension: Int, codebooks: Int, bits: Int, sets: Int = 1) {
      precondition(
        Self.dimensions.contains(dimension) && Self.codebookCounts.contains(codebooks)
          && Self.bitCounts.contains(bits) && sets >= 1)
      self.dimension = dimension
      self.codebooks = codebooks
      self.bits = bits
      self.sets = sets
    }

    /// Runs in a row of `columns` weights; the last is filled up with zeros where they do not divide.
    public func runs(_ columns: Int) -> Int { (columns + dimension - 1) / dimension }

    /// Codes in a row.
    public func codesPerRow(_ columns: Int) -> Int { runs(columns) * codebooks }

    /// The shape of all tables.
    public var tableShape: [Int] { [sets, codebooks, 1 << bits, dimension] }
  }

  /// The number of outputs.
  public let rows: Int
  /// The number of inputs.
  public let columns: Int
  /// The size of codes and codebooks.
  public let layout: Layout
  /// `rows` packed rows of codes (see `Packing`): code m of run j is number j·codebooks + m.
  public let codes: Bytes
  /// Float16 codewords: set, codebook, code, component.
  public let tables: Bytes
  /// A float16 scale for each row; nil where all are 1.
  public let scales: Bytes?

  /// A matrix over existing memory.
  public init(rows: Int, columns: Int, layout: Layout, codes: Bytes, tables: Bytes, scales: Bytes?) {
    precondition(
      codes.count == rows * Packing.bytesPerRow(layout.codesPerRow(columns), bits: layout.bits),
      "size of codes")
    precondition(tables.count == layout.tableShape.reduce(2, *), "size of tables")
    precondition(scales.map { $0.count == rows * 2 } ?? true, "size of scales")
    self.rows = rows
    self.columns = columns
    self.layout = layout
    self.codes = codes
    self.tables = tables
    self.scales = scales
  }
}

extension VectorCodebook {
  private var rowBytes: Int { Packing.bytesPerRow(layout.codesPerRow(columns), bits: layout.bits) }

  var tensors: [NamedTensor] {
    var tensors = [
      NamedTensor(role: "codes", type: .uint8, shape: [rows, rowBytes], bytes: codes),
      NamedTensor(role: "table", type: .float16, shape: layout.tableShape, bytes: tables),
    ]
    if let scales {
      tensors.append(NamedTensor(role: "scales", type: .float16, shape: [rows], bytes: scales))
    }
    return tensors
  }

  func decode(row: Int, into target: UnsafeMutablePointer<Float>) {
    withKernelMatrix { pith_vectors_decode($0, row, target) }
  }

  /// The product with one token.
  func multiply(_ x: UnsafePointer<Float>, _ y: UnsafeMutablePointer<Float>, on pool: ThreadPool) {
    withKernelMatrix { matrix in
      pool.forEach(count: rows, grain: rowsPerTurn(columns: columns)) { range in
        pith_vectors_product(matrix, x, range.lowerBound, range.upperBound, y)
      }
    }
  }

  private func withKernelMatrix(_ body: (UnsafePointer<pith_vectors>) -> Void) {
    func start(_ bytes: Bytes) -> UnsafePointer<UInt8>? {
      bytes.unsafePointer.baseAddress?.assumingMemoryBound(to: UInt8.self)
    }
    var matrix = pith_vectors(
      codes: start(codes), tables: start(tables), scales: scales.flatMap(start), columns: columns,
      dimension: layout.dimension, codebooks: layout.codebooks, sets: layout.sets, row_bytes: rowBytes,
      bits: Int32(layout.bits))
    withExtendedLifetime(self) { body(&matrix) }
  }
}
