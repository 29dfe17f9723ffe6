import Foundation
import Pith
import PithCompression
import PithJSON

/// Searches for the recipe that meets a target, and compresses with it.
struct TargetCompression {
  let command: Compress
  let source: Checkpoint
  let pool: ThreadPool

  func meet(_ target: Target) throws {
    guard let text = try command.calibration.load(source, pool, writingItself: true) else { return }
    let search = try Search(source, calibration: text, memory: Format.bytes(command.memory)!, on: pool)
    let place = URL(filePath: command.output)
    let cache = place.deletingLastPathComponent().appending(path: ".\(place.lastPathComponent).search.json")
      .path
    var progress: Progress?
    let table = try search.table(cache: cache) { done, total in
      if progress == nil { progress = Progress("measure", total: total) }
      progress?.update(done)
    }
    if command.explain {
      show(try search.recipe(table, for: target))
      return
    }
    if case .perplexityIncrease(let increase) = target {
      command.report(try meet(perplexityIncrease: increase, search, table, text))
    } else {
      let recipe = try search.recipe(table, for: target).recipe
      let settings = Compression.Settings(measures: !command.skipMeasuring)
      command.report(try command.compress(recipe, source, text, settings, pool))
    }
    try? FileManager.default.removeItem(atPath: cache)
  }

  /// Compresses until what was measured is within the increase; each time the estimate may use up less.
  private func meet(
    perplexityIncrease increase: Double, _ search: Search, _ table: SensitivityTable, _ text: Calibration
  ) throws -> ReportCard {
    guard !text.heldOut.isEmpty else {
      throw Failure.data(
        "--max-perplexity-increase needs text to measure on: give a longer --calibration, or fewer --calibration-tokens."
      )
    }
    var share = 1.0
    for _ in 0..<5 {
      let recipe = try search.recipe(table, for: .perplexityIncrease(increase), share: share).recipe
      let settings = Compression.Settings(accepts: { $0.perplexityIncrease ?? .infinity <= increase })
      let card = try command.compress(recipe, source, text, settings, pool)
      guard let measured = card.perplexityIncrease, measured > increase else { return card }
      Output.say(
        "the perplexity rose by \(Format.percent(measured)), which is above \(Format.percent(increase)): a larger model is tried"
      )
      share *= min(0.9, 0.95 * log(1 + increase) / log(1 + measured))
    }
    throw Failure.data(
      "--max-perplexity-increase \(Format.percent(increase)) was not reached: allow more, or use --method rtn --bits 8."
    )
  }

  private func show(_ choice: AutomaticRecipe) {
    if command.model.json {
      Output.json([
        "recipe": choice.recipe.json,
        "matrices": .array(
          choice.choices.map { item in
            [
              "name": .string(item.name), "storage": .string(item.candidate), "bytes": .int(item.bytes),
              "divergence": .double(item.divergence),
            ]
          }), "size_bytes": .int(choice.bytes), "kl_divergence": .double(choice.divergence),
      ])
      return
    }
    var table = Table(["matrix", "chosen", "bits per weight", "MB", "KL divergence"])
    for item in choice.choices {
      table.add([
        item.name, item.candidate, Format.number(Double(item.bytes) * 8 / Double(item.weights), 3),
        Format.number(Double(item.bytes) / 1e6, 3), Format.number(item.divergence, 5),
      ])
    }
    Output.result(table.text)
    Output.result(
      "\n\(Format.megabytes(choice.bytes)) in all, an estimated KL divergence of \(Format.number(choice.divergence, 4)) nats"
    )
  }
}
