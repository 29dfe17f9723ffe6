/// Why a weight could not be quantized: one sentence with the fault and its mend.
public enum MethodError: Error, Equatable {
  /// The bits are outside of what the method offers.
  case bits(Int, allowed: [Int], method: String)

  /// The values of a grid have other bits.
  case gridBits(Int, grid: String)

  /// The group size is below 1.
  case groupSize(Int)

  /// The damping is negative or no number.
  case damping(Float)

  /// Alpha is not from 0 to 1.
  case alpha(Float)
  /// The method cannot make this loss small.
  case loss(QuantizationLoss, method: String)

  /// The layer loss is to choose the ranges of groups, and so is something else.
  case rangeBySearchAndLoss

  /// The option is outside of what the method offers.
  case range(MethodOptions.Name, Int, allowed: ClosedRange<Int>)
  /// The threshold is not a positive number.
  case threshold(Float)

  /// The share of outliers is not from 0 to 1.
  case outlierShare(Float)

  /// Integers that are multiplied as such have one symmetric scale per row and 4 or 8 bits.
  case integerStorage

  /// Groups of weights that stay have a multiple of 16 columns.
  case survivorGroups(Int)

  /// A pattern of so many columns would cross from one group to the next.
  case patternAcrossGroups(Int, groupSize: Int)

  /// Blocks of so many columns would cross from one group to the next.
  case blockAcrossGroups(Int, groupSize: Int)

  /// Blocks go by shares of a matrix or its rows.
  case blocksElsewhere

  /// Blocks of columns cannot lose different shares by a pattern.
  case dynamicPattern

  /// The method looks at one matrix at a time, or a pattern at a few columns.
  case modelScope
  /// The method knows no patterns of columns.
  case patternless(method: String)

  /// Factors of this rank would be no smaller than the weight.
  case rank(Int, rows: Int, columns: Int, largest: Int)

  /// The zeros take more to say than they save.
  case largerThanDense(bytes: Int, dense: Int)

  /// The option was set, but the method does not read it.
  case unusedOption(MethodOptions.Name, method: String)

  /// The method needs what calibration saw, and there was none.
  case noStatistics(method: String)

  /// H cannot be factored, however much is added to its diagonal.
  case notFactored

  /// The weight has no rows or no columns.
  case empty(rows: Int, columns: Int)

  /// The weight has more columns than its storage can hold.
  case tooWide(Int, allowed: Int)

  /// The weight holds a NaN or an infinity, first at this row and column.
  case notFinite(row: Int, column: Int)

  /// The weights of the row from this column on need a scale or a table value above float16's largest, 65504.
  case tooLarge(row: Int, column: Int)

  /// The weight, which is to be a float16 value, or part of a sum of such, is above its largest, 65504.
  case valueTooLarge(row: Int, column: Int)
}

extension MethodError: CustomStringConvertible {
  /// The sentence to show.
  public var description: String {
    switch self {
    case .bits(let bits, let allowed, let method):
      allowed.count == 1
        ? "bits is \(bits), but \(method) always uses \(allowed[0]): leave it out or choose another method."
        : "bits is \(bits), but \(method) offers \(Self.list(allowed)): choose one of these."
    case .gridBits(let bits, let grid):
      "bits is \(bits), but the values of \(grid) have 4: set bits to 4, or leave out the grid."
    case .groupSize(let size):
      "group-size is \(size): choose at least 1, or leave it out for no groups."
    case .damping(let damping):
      "damping is \(damping): choose 0 or more; 0.01 is usual."
    case .alpha(let alpha):
      "alpha is \(alpha): choose from 0 to 1; 0.5 is usual."
    case .loss(let loss, let method):
      "\(method) does not offer the \(loss.rawValue) loss: choose another one."
    case .rangeBySearchAndLoss:
      "With the layer loss, rtn chooses ranges by it: leave out range-search and activations."
    case .range(let option, let value, let allowed):
      "\(option.rawValue) is \(value): choose \(allowed.lowerBound) to \(allowed.upperBound)."
    case .threshold(let threshold):
      "threshold is \(threshold): choose a number above 0."
    case .outlierShare(let share):
      "outlier-share is \(share): choose from 0 to below 1."
    case .integerStorage:
      "Quantized activations need weights that are symmetric, with a scale per row, in 4 or 8 bits: set symmetric, group-size 0, bits 4 or 8, and no stored order."
    case .survivorGroups(let size):
      "group-size is \(size): choose a multiple of 16, or none."
    case .patternAcrossGroups(let count, let size):
      "A pattern of \(count) columns does not divide groups of \(size): choose a group-size that it divides, or none."
    case .blockAcrossGroups(let count, let size):
      "A block of \(count) columns does not divide groups of \(size): choose a group-size that it divides, or none."
    case .blocksElsewhere:
      "Blocks are for a share of a matrix: give a sparsity such as 0.7 and no scope of a model, or leave out the block."
    case .dynamicPattern:
      "A pattern takes as many weights of each few columns: give a share such as 0.5, or leave out dynamic."
    case .modelScope:
      "The scope of a model is for magnitudes and a share: choose magnitude with a sparsity such as 0.5, or another scope."
    case .patternless(let method):
      "\(method) chooses its zeros freely: give a share such as 0.5, or choose sparsegpt for a pattern."
    case .rank(let rank, let rows, let columns, let largest):
      "rank is \(rank), which would leave a weight of \(rows) × \(columns) no smaller: "
        + (largest > 0 ? "choose 1 to \(largest)." : "leave it as it is.")
    case .largerThanDense(let bytes, let dense):
      "So few zeros would make the matrix larger, \(bytes) bytes instead of \(dense): choose a higher sparsity or smaller blocks, or leave it dense."
    case .unusedOption(let option, let method):
      "\(option.rawValue) does not apply to \(method): leave it out or choose another method."
    case .noStatistics(let method):
      "\(method) needs calibration: give it a text with --calibration."
    case .notFactored:
      "The inputs that calibration saw hold no usable numbers: check the model and the calibration text."
    case .empty(let rows, let columns):
      "The weight is \(rows) × \(columns), so there is nothing to quantize: leave it as it is."
    case .tooWide(let columns, let allowed):
      "The weight has \(columns) columns, but only \(allowed) can be stored so: choose another method."
    case .notFinite(let row, let column):
      "The weight at row \(row), column \(column) is not a finite number: repair the checkpoint or leave this weight as it is."
    case .tooLarge(let row, let column):
      "The weights of row \(row) from column \(column) on are too large for float16 scales: choose the method nf4 or af4, whose scales are float32, or leave this matrix out by a recipe's layers."
    case .valueTooLarge(let row, let column):
      "The weight at row \(row), column \(column) is above float16's largest value, 65504: choose the method nf4 or af4, whose scales are float32, or leave this matrix out by a recipe's layers."
    }
  }

  /// Numbers in rising order, in words.
  private static func list(_ numbers: [Int]) -> String {
    let (first, last) = (numbers[0], numbers[numbers.count - 1])
    if last - first + 1 == numbers.count { return "\(first) to \(last)" }
    return numbers.dropLast().map(String.init).joined(separator: ", ") + " or \(last)"
  }
}
