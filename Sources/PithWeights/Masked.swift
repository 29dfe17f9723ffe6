import CPithKernels
import PithTensors

/// Some of the weights of a matrix, one after the other, and where they stand; the others are 0.
///
///     let half = Masked(pruned)                  // float16 weights: 9 bits per weight where every second is 0
///     print(half.count)
///
/// The stored weights lie in the order of rows and columns. What is kept of their places (`Positions`) becomes a mask of a bit per weight when
/// the matrix is made, which the kernels read; so no row need say where it begins.
public struct Masked: Sendable {
  /// How the stored weights are written.
  public enum Values: Sendable {
    /// Float16 numbers.
    case float16(Bytes)

    /// Signed integers: codes c − 128 times the group's scale.
    case int8(codes: Bytes, scales: Scales)

    /// Codes of 4 bits, the lower half of a byte first, that index a table of 16 float32 values, times the group's scale.
    case fourBits(codes: Bytes, table: Bytes, scales: Scales)
  }

  /// Scales of groups of columns of a row.
  public struct Scales: Sendable {
    /// Columns per group: a multiple of 16, or all.
    public let groupSize: Int
    /// `rows × groups` float16 numbers.
    public let values: Bytes

    /// Scales over existing memory.
    public init(groupSize: Int, values: Bytes) {
      self.groupSize = groupSize
      self.values = values
    }
  }

  /// The number of outputs.
  public let rows: Int
  /// The number of inputs.
  public let columns: Int
  /// Where the stored weights stand.
  public let positions: Positions
  /// The stored weights.
  public let values: Values
  /// `rows` masks of whole 16 bits: bit k mod 8 of byte k/8 of a row says whether column k is stored.
  let mask: Bytes
  /// The first stored weight of each row, and behind the last row their number.
  let starts: [UInt32]
  /// Where weights are stored in whole eights of columns: which eight of its row each is.
  private let runs: [UInt16]?

  /// The number of stored weights.
  public var count: Int { Int(starts[rows]) }

  /// The bytes of a row's mask.
  public static func maskBytes(_ columns: Int) -> Int { (columns + 15) / 16 * 2 }

  /// A matrix over existing memory, in which `fault` finds none.
  public init(rows: Int, columns: Int, positions: Positions, values: Values) {
    let mask = positions.mask(rows: rows, columns: columns)
    precondition(mask != nil, "positions of another matrix")
    let fault = Self.fault(rows: rows, columns: columns, mask: mask!, values: values)
    precondition(fault == nil, fault ?? "")
    self.rows = rows
    self.columns = columns
    self.positions = positions
    self.values = values
    self.mask = mask!
    starts = Self.starts(rows, Self.maskBytes(columns), mask!)
    runs = Self.runs(rows, columns, mask!, values)
  }

  /// The weights of a matrix that are not 0, rounded to float16.
  ///
  /// - Precondition: no magnitude is above float16's largest, 65504.
  public init(_ matrix: Matrix) {
    let (rows, columns) = (matrix.rows, matrix.columns)
    let width = Self.maskBytes(columns)
    var mask = [UInt8](repeating: 0, count: rows * width)
    var halves: [UInt16] = []
    for row in 0..<rows {
      for (column, value) in matrix[row: row].enumerated() where value != 0 {
        mask[row * width + column / 8] |= 1 << (column % 8)
        halves.append(Half.encode(value).littleEndian)
      }
    }
    self.init(
      rows: rows, columns: columns, positions: .bitmask(Bytes(copying: mask)),
      values: .float16(Bytes(copying: halves)))
  }

  /// The weights of a matrix at some positions, rounded to float16.
  ///
  /// - Precondition: the positions are some of the matrix, and no magnitude is above float16's largest, 65504.
  public init(_ matrix: Matrix, at positions: Positions) {
    let (rows, columns, width) = (matrix.rows, matrix.columns, Self.maskBytes(matrix.columns))
    let mask = positions.mask(rows: rows, columns: columns)!.array(of: UInt8.self)
    var halves: [UInt16] = []
    for row in 0..<rows {
      for column in 0..<columns where mask[row * width + column / 8] >> (column % 8) & 1 == 1 {
        halves.append(Half.encode(matrix[row, column]).littleEndian)
      }
    }
    self.init(
      rows: rows, columns: columns, positions: positions, values: .float16(Bytes(copying: halves)))
  }

  /// Where the stored weights stand in the whole matrix, row after row: row · columns + column.
  public var places: [Int] {
    let width = Self.maskBytes(columns)
    return mask.withUnsafeBytes { mask in
      (0..<rows).flatMap { row in
        (0..<columns).filter { mask[row * width + $0 / 8] >> ($0 % 8) & 1 == 1 }.map { row * columns + $0 }
      }
    }
  }

  /// Other values at the same places, in the order of `places`, rounded to float16.
  ///
  /// - Precondition: no magnitude is above float16's largest, 65504.
  public func keeping(_ values: [Float]) -> Masked {
    precondition(values.count == count, "\(values.count) values for \(count) places")
    let halves = values.map { Half.encode($0).littleEndian }
    return Masked(
      rows: rows, columns: columns, positions: positions, values: .float16(Bytes(copying: halves)))
  }

  /// What is wrong with the tensors of a matrix, or nil: positions that are none of its, sizes that do not fit.
  public static func fault(rows: Int, columns: Int, positions: Positions, values: Values) -> String? {
    guard let mask = positions.mask(rows: rows, columns: columns) else {
      return "the positions of its weights are not those of \(rows) rows of \(columns) columns"
    }
    return fault(rows: rows, columns: columns, mask: mask, values: values)
  }

  private static func fault(rows: Int, columns: Int, mask: Bytes, values: Values) -> String? {
    let count = Int(starts(rows, maskBytes(columns), mask)[rows])
    let (stored, needed): (Int, Int)
    var scales: Scales?
    switch values {
    case .float16(let values): (stored, needed) = (values.count, 2 * count)
    case .int8(let codes, let own): (stored, needed, scales) = (codes.count, count, own)
    case .fourBits(let codes, let table, let own):
      (stored, needed, scales) = (codes.count, (count + 1) / 2, own)
      if table.count != 64 { return "the table of masked weights has not 16 values" }
    }
    guard stored == needed else { return "\(count) weights have a position, but others are stored" }
    guard let scales else { return nil }
    guard scales.groupSize >= columns || scales.groupSize > 0 && scales.groupSize % 16 == 0 else {
      return "groups of masked weights have a multiple of 16 columns"
    }
    return scales.values.count == rows * groups(columns, scales.groupSize) * 2
      ? nil : "the scales of masked weights are not one per group"
  }

  /// Eights of columns that are stored whole; nil where others are stored too, or a scale is not easily found.
  private static func runs(_ rows: Int, _ columns: Int, _ mask: Bytes, _ values: Values) -> [UInt16]? {
    let width = maskBytes(columns)
    guard columns % 8 == 0, columns / 8 <= 1 << 16,
      mask.array(of: UInt8.self).allSatisfy({ $0 == 0 || $0 == 255 })
    else { return nil }
    switch values {
    case .float16: break
    case .int8(_, let scales), .fourBits(_, _, let scales):
      guard scales.groupSize >= columns || scales.groupSize.nonzeroBitCount == 1 else { return nil }
    }
    return mask.withUnsafeBytes { mask in
      (0..<rows).flatMap { row in
        (0..<(columns / 8)).filter { mask[row * width + $0] != 0 }.map { UInt16($0) }
      }
    }
  }

  private static func groups(_ columns: Int, _ groupSize: Int) -> Int {
    columns == 0 ? 0 : (columns + groupSize - 1) / groupSize
  }

  private static func starts(_ rows: Int, _ width: Int, _ mask: Bytes) -> [UInt32] {
    mask.withUnsafeBytes { mask in
      var starts: [UInt32] = [0]
      for row in 0..<rows {
        let count = mask[(row * width)..<((row + 1) * width)].reduce(0) { $0 + UInt32($1.nonzeroBitCount) }
        starts.append(starts[row] + count)
      }
      return starts
    }
  }
}

extension Masked {
  var tensors: [NamedTensor] {
    let places = positions.tensors(rows: rows, columns: columns)
    func scaled(_ codes: Bytes, _ scales: Scales) -> [NamedTensor] {
      [
        NamedTensor(role: "codes", type: .uint8, shape: [codes.count], bytes: codes),
        NamedTensor(
          role: "scales", type: .float16, shape: [rows, Self.groups(columns, scales.groupSize)],
          bytes: scales.values),
      ]
    }
    switch values {
    case .float16(let values):
      return places + [NamedTensor(role: "values", type: .float16, shape: [count], bytes: values)]
    case .int8(let codes, let scales): return places + scaled(codes, scales)
    case .fourBits(let codes, let table, let scales):
      return places + [NamedTensor(role: "table", type: .float32, shape: [16], bytes: table)]
        + scaled(codes, scales)
    }
  }

  func decode(row: Int, into target: UnsafeMutablePointer<Float>) {
    withKernelMatrix { pith_masked_decode($0, row, target) }
  }

  /// The product with one token.
  func multiply(_ x: UnsafePointer<Float>, _ y: UnsafeMutablePointer<Float>, on pool: ThreadPool) {
    withKernelMatrix { matrix in
      withUnsafeTemporaryAllocation(of: Float.self, capacity: pith_masked_room(matrix)) { room in
        let token = pith_masked_token(matrix, x, room.baseAddress)
        pool.forEach(count: rows, grain: rowsPerTurn(columns: columns)) { range in
          pith_masked_product(matrix, token, range.lowerBound, range.upperBound, y)
        }
      }
    }
  }

  private func withRuns(_ body: (UnsafePointer<UInt32>?, UnsafePointer<UInt16>?) -> Void) {
    starts.withUnsafeBufferPointer { starts in
      guard let runs else { return body(starts.baseAddress, nil) }
      runs.withUnsafeBufferPointer { body(starts.baseAddress, $0.baseAddress) }
    }
  }

  private func withKernelMatrix(_ body: (UnsafePointer<pith_masked>) -> Void) {
    func start(_ bytes: Bytes) -> UnsafePointer<UInt8>? {
      bytes.unsafePointer.baseAddress?.assumingMemoryBound(to: UInt8.self)
    }
    withRuns { starts, runs in
      var matrix = pith_masked(
        mask: start(mask), starts: starts, values: nil, count: count, scales: nil, table: nil,
        columns: columns, group_size: max(columns, 1), groups: columns > 0 ? 1 : 0, format: PITH_MASKED_HALF,
        runs: runs, group_shift: UInt32(UInt32.bitWidth - 1))
      func scale(_ scales: Scales) {
        if scales.groupSize < columns { matrix.group_shift = UInt32(scales.groupSize.trailingZeroBitCount) }
        matrix.scales = start(scales.values)
        matrix.group_size = scales.groupSize
        matrix.groups = Self.groups(columns, scales.groupSize)
      }
      switch values {
      case .float16(let values): matrix.values = start(values)
      case .int8(let codes, let scales):
        (matrix.values, matrix.format) = (start(codes), PITH_MASKED_BYTE)
        scale(scales)
      case .fourBits(let codes, let table, let scales):
        (matrix.values, matrix.table, matrix.format) = (start(codes), start(table), PITH_MASKED_NIBBLE)
        scale(scales)
      }
      withExtendedLifetime(self) { body(&matrix) }
    }
  }
}
