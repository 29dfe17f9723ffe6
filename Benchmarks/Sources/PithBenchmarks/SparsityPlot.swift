import PithTensors
import PithWeights

/// The time of one token against the sparsity of the weights, which come from memory as they do when a model decodes: as many
/// rows as make 48 million weights, of the lengths of SmolLM2-135M's and of a model of a thousand million weights.
struct SparsityPlot {
  /// A storage of some sparsity, on one length of rows and a number of threads: its time as a multiple of dense float16's.
  struct Point {
    let series: String
    let columns: Int
    let threads: Int
    let sparsity: Double
    let ratio: Double
  }

  let points: [Point]

  private static let lengths = [576, 1536, 2048, 8192]
  private static let threads = [1, 2]
  private static let shares = [0.1, 0.3, 0.5, 0.6, 0.7, 0.8, 0.9]
  private static let series: [(name: String, colour: String, isDashed: Bool)] = [
    ("float16", "#111827", true), ("int8", "#2563eb", true), ("int4", "#16a34a", true),
    ("mask, float16", "#111827", false), ("mask, int8", "#2563eb", false), ("mask, int4", "#16a34a", false),
    ("1×8, float16", "#dc2626", false), ("1×8, int4", "#ea580c", false),
    ("2:4, float16", "#9333ea", false), ("2:4, int4", "#c026d3", false),
  ]

  /// Measures everything, and prints it as it comes.
  static func measure() -> SparsityPlot {
    var points: [Point] = []
    let pools = threads.map { ThreadPool(threads: $0) }
    print(row("storage", "columns", "sparsity", "bits", "threads", "µs", "× float16"))
    for columns in lengths {
      let rows = 48_000_000 / columns
      let plain = Storage.dense(.float16, rows, columns)
      func take(_ name: String, _ sparsity: Double, _ matrix: StoredMatrix) {
        let x = Matrix(rows: 1, columns: columns, values: randomFloats(columns))
        for pool in pools {
          let (time, dense) = shortestRuns(
            { _ = matrix.multiply(x, on: pool) }, { _ = plain.multiply(x, on: pool) })
          let ratio = time / dense
          points.append(
            Point(series: name, columns: columns, threads: pool.threads, sparsity: sparsity, ratio: ratio))
          print(
            row(
              name, "\(columns)", "\(Int(sparsity * 100 + 0.5))%", decimals(matrix.bitsPerWeight, 2),
              "\(pool.threads)", decimals(time * 1e6, 1), decimals(ratio, 2)))
        }
      }
      take("float16", 0, plain)
      take("int8", 0, Storage.affine(bits: 8, rows, columns))
      take("int4", 0, Storage.affine(bits: 4, rows, columns))
      for (name, bits) in [("float16", 16), ("int4", 4)] {
        take("2:4, \(name)", 0.5, Storage.twoOfFour(bits: bits, rows, columns))
      }
      for share in shares {
        for (name, bits) in [("float16", 16), ("int8", 8), ("int4", 4)] {
          take("mask, \(name)", share, Storage.masked(bits: bits, share, rows, columns))
        }
        for (name, bits) in [("float16", 16), ("int4", 4)] {
          take("1×8, \(name)", share, Storage.masked(bits: bits, share, run: 8, rows, columns))
        }
      }
    }
    return SparsityPlot(points: points)
  }

  /// A panel for each length of rows and number of threads; dashed lines are dense storages.
  var svg: String {
    let (width, height) = (330, 250)
    var parts = [
      #"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 1340 540" font-family="sans-serif" font-size="11">"#,
      #"<rect width="1340" height="540" fill="white"/>"#,
    ]
    for (line, threads) in Self.threads.enumerated() {
      for (place, columns) in Self.lengths.enumerated() {
        parts.append(#"<g transform="translate(\#(place * width) \#(line * height))">"#)
        parts += panel(columns: columns, threads: threads)
        parts.append("</g>")
      }
    }
    for (index, series) in Self.series.enumerated() {
      let x = 50 + 128 * index
      parts.append(#"<path d="M\#(x) 522h22" \#(Self.style(series.colour, isDashed: series.isDashed))/>"#)
      parts.append(#"<text x="\#(x + 27)" y="526">\#(series.name)</text>"#)
    }
    return (parts + ["</svg>", ""]).joined(separator: "\n")
  }

  private static func style(_ colour: String, isDashed: Bool) -> String {
    #"fill="none" stroke="\#(colour)" stroke-width="2""# + (isDashed ? #" stroke-dasharray="5 4""# : "")
  }

  private func panel(columns: Int, threads: Int) -> [String] {
    let highest = 2.0
    func x(_ sparsity: Double) -> Double { 50 + 260 * sparsity }
    func y(_ ratio: Double) -> Double { 210 - 180 * min(ratio, highest) / highest }
    let title = "rows of \(columns), \(threads == 1 ? "one thread" : "\(threads) threads")"
    var parts = [#"<text x="180" y="18" text-anchor="middle">\#(title)</text>"#]
    for level in [0, 0.5, 1, 1.5, 2] {
      parts.append(#"<path d="M50 \#(y(level))h260" stroke="lightgray"/>"#)
      parts.append(#"<text x="44" y="\#(y(level) + 4)" text-anchor="end">\#(decimals(level, 1))</text>"#)
    }
    for share in [0, 0.25, 0.5, 0.75, 1] {
      let percent = decimals(share * 100, 0)
      parts.append(#"<text x="\#(x(share))" y="225" text-anchor="middle">\#(percent)%</text>"#)
    }
    for series in Self.series {
      let own = points.filter {
        $0.series == series.name && $0.columns == columns && $0.threads == threads
      }
      guard let first = own.first else { continue }
      let style = Self.style(series.colour, isDashed: series.isDashed)
      if series.isDashed {
        parts.append(#"<path d="M50 \#(y(first.ratio))h260" \#(style)/>"#)
      } else if own.count == 1 {
        let place = #"cx="\#(x(first.sparsity))" cy="\#(y(first.ratio))""#
        parts.append(#"<circle \#(place) r="4" fill="\#(series.colour)"/>"#)
      } else {
        let line = own.map { "\(x($0.sparsity)) \(y($0.ratio))" }.joined(separator: "L")
        parts.append(#"<path d="M\#(line)" \#(style)/>"#)
      }
    }
    return parts
  }
}
