import ArgumentParser
import Pith
import PithCompression
import PithEvaluation
import PithJSON
import PithQuantization

struct Compress: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Makes a model smaller.",
    discussion: """
      Writes a folder that appears whole or not at all: packed weights in safetensors, configuration, tokenizer, \
      checksums. The methods, none of which needs data:

      \(QuantizationMethod.all.map(Compress.line).joined(separator: "\n"))

        pith compress model.gguf -o small
        pith compress model -o smaller --method kmeans --bits 3 --group-size 0 --table-per-row
      """)

  @OptionGroup var model: ModelArguments

  @Option(name: .shortAndLong, help: "The folder that is written.")
  var output: String

  @Option(help: "\(QuantizationMethod.all.map(\.name).joined(separator: ", ")).")
  var method = "rtn"

  @Option(help: "Bits per weight (default: 4).")
  var bits: Int?

  @Option(help: "Columns that share a scale; 0 for one scale per row (default: 64).")
  var groupSize: Int?

  @Flag(help: "rtn: a range around zero, without stored zero points.")
  var symmetric = false

  @Option(help: "rtn: how a group's range is chosen: minmax, or mse or p2.4 to search for the least error.")
  var rangeSearch: RangeSearch?

  @Flag(help: "nf4, af4: quantize the scales too, from 32 bits to 8.")
  var doubleQuantization = false

  @Flag(help: "kmeans, percentile: a table for each row instead of one for the matrix.")
  var tablePerRow = false

  @Option(help: "Bits of the embedding and the output head, 2–8; 0 to leave them as they are.")
  var embeddingBits = 8

  @Flag(help: "Replace the output if it exists.")
  var force = false

  private static func line(_ method: QuantizationMethod) -> String {
    let bits =
      method.bits.count == 1
      ? "\(method.bits.lowerBound) bits" : "\(method.bits.lowerBound)–\(method.bits.upperBound) bits"
    return
      "  \(method.name)\(String(repeating: " ", count: 12 - method.name.count))\(bits): \(method.summary)"
  }

  func run() throws {
    guard let method = QuantizationMethod.named(method) else {
      let known = QuantizationMethod.all.map(\.name).joined(separator: ", ")
      throw Failure.usage("--method \(self.method) is not one that Pith knows; choose one of \(known).")
    }
    var options = method.defaults
    if let bits { options.bits = bits }
    if let groupSize { options.groupSize = groupSize == 0 ? nil : groupSize }
    if symmetric { options.symmetric = true }
    if let rangeSearch { options.rangeSearch = rangeSearch }
    if doubleQuantization { options.doubleQuantization = true }
    if tablePerRow { options.tablePerRow = true }
    let compression = try Compression(
      method, options, embeddingBits: embeddingBits == 0 ? nil : embeddingBits)

    let source = try Checkpoint(path: model.model)
    let pool = ThreadPool(threads: model.threads ?? ThreadPool.availableCores)
    var progress: Progress?
    let summary = try compression.run(source, to: output, overwrite: force, on: pool) { done, total in
      if progress == nil { progress = Progress("compress", total: total) }
      progress?.update(done)
    }
    let size =
      switch try Checkpoint(path: output).model() {
      case .decoder(let decoder): ModelSize(decoder)
      case .encoder(let encoder): ModelSize(encoder)
      }
    if model.json {
      var report: JSONValue = [
        "model": .string(model.model), "output": .string(output), "method": .string(method.name),
      ]
      report.add(size)
      report["peak_memory_bytes"] = .int(PeakMemory.bytes)
      Output.json(report)
    } else {
      let bits = size.bitsPerWeight.map { "\(Format.number($0, 3)) bits per weight in the layers, " } ?? ""
      Output.result(
        "\(output): \(summary.matrices) matrices from \(Format.megabytes(summary.bytesBefore)) to "
          + "\(Format.megabytes(summary.bytesAfter)), \(bits)\(Format.megabytes(size.bytes)) in all")
    }
  }
}

extension RangeSearch: ExpressibleByArgument {}
