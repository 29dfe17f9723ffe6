import Foundation
import PithTensors
import PithWeights

// Times the product of each storage with one token and with many, over the shapes of SmolLM2-135M and those of a layer of a
// model of a thousand million weights.
//
//     swift run -c release PithBenchmarks [storage …]       all storages, or those whose names start so
//     swift run -c release PithBenchmarks sparsity FILE     time against sparsity, as an SVG (SparsityPlot.swift)

let shapes = [(576, 576), (1536, 576), (576, 1536), (49152, 576), (2048, 2048), (8192, 2048), (2048, 8192)]
let chosen = CommandLine.arguments.dropFirst()
if chosen.first == "sparsity", chosen.count == 2 {
  try SparsityPlot.measure().svg.write(toFile: chosen[2], atomically: true, encoding: .utf8)
  exit(0)
}
let storages = Storage.all.filter { storage in
  chosen.isEmpty || chosen.contains { storage.name.hasPrefix($0) }
}
let pools = [1, 2].map { ThreadPool(threads: $0) }

for pool in pools {
  let thousand = shortestRun { for _ in 0..<1000 { pool.forEach(count: 16, grain: 1) { _ in } } }
  print("an empty loop on \(pool.threads) threads: \(decimals(thousand * 1e6, 0)) ns")
}
print()
print(
  row(
    "storage", "shape", "bits", "threads", "T=1 µs", "GB/s", "weights/ns", "T=4 µs", "T=512 GFLOP/s"))
for storage in storages {
  for (rows, columns) in shapes {
    let matrix = storage.make(rows, columns)
    for pool in pools {
      let weights = Double(matrix.rows * matrix.columns)
      let times = [1, 4, 512].map { tokens in
        let x = Matrix(
          rows: tokens, columns: matrix.columns, values: randomFloats(tokens * matrix.columns))
        return shortestRun { _ = matrix.multiply(x, on: pool) }
      }
      print(
        row(
          storage.name, "\(matrix.rows)×\(matrix.columns)", decimals(matrix.bitsPerWeight, 2),
          "\(pool.threads)",
          decimals(times[0] * 1e6, 1), decimals(Double(matrix.byteCount) / times[0] * 1e-9, 1),
          decimals(weights / times[0] * 1e-9, 1), decimals(times[1] * 1e6, 1),
          decimals(weights * 1024 / times[2] * 1e-9, 1)))
    }
  }
}

func row(_ cells: String...) -> String {
  cells.map { String(repeating: " ", count: max(1, 13 - $0.count)) + $0 }.joined()
}

func decimals(_ value: Double, _ places: Int) -> String {
  guard places > 0 else { return "\(Int(value.rounded()))" }
  var scale = 1
  for _ in 0..<places { scale *= 10 }
  let scaled = Int((value * Double(scale)).rounded())
  let fraction = String(scaled % scale)
  return "\(scaled / scale)." + String(repeating: "0", count: places - fraction.count) + fraction
}
