import Histogram

/// Latencies in a high-dynamic-range histogram (three significant digits).
public struct Latency: Sendable {
  private var histogram = Histogram<UInt64>(numberOfSignificantValueDigits: .three)

  /// No latency yet.
  public init() {}

  /// Notes one.
  public mutating func record(_ duration: Duration) {
    let (seconds, attoseconds) = duration.components
    histogram.record(UInt64(max(0, seconds)) * 1_000_000 + UInt64(max(0, attoseconds)) / 1_000_000_000_000)
  }

  /// The latency in milliseconds that `percentile` percent do not exceed.
  public func milliseconds(percentile: Double) -> Double {
    Double(histogram.valueAtPercentile(percentile)) / 1000
  }

  /// The highest latency in milliseconds.
  public var maxMilliseconds: Double { Double(histogram.max) / 1000 }
}
