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
    try Compression.preflight(
      nil, source, to: command.explain ? nil : command.output, command.settings, on: pool)
    try target.check(source)
    guard let text = try command.calibration.load(source, pool, writingItself: true) else { return }
    if case .perplexityIncrease = target, text.heldOut.isEmpty {
      throw Failure.data(
        "--max-perplexity-increase needs text to measure on: give a longer --calibration, or fewer --calibration-tokens."
      )
    }
    let search = try Search(source, calibration: text, memory: Format.bytes(command.memory)!, on: pool)
    var progress: Progress?
    let table = try search.table(cache: Caches.folder) { done, total in
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
      let choice = try search.recipe(table, for: target)
      if table.isExceeded(by: target) {
        Output.say("note: the largest storages that are offered are smaller than the target allows")
      }
      command.report(try command.compress(choice.recipe, source, text, command.settings, pool))
    }
  }

  /// Compresses until what was measured is within the increase; each time the estimate may use up less.
  private func meet(
    perplexityIncrease increase: Double, _ search: Search, _ table: SensitivityTable, _ text: Calibration
  ) throws -> ReportCard {
    let place = URL(filePath: command.output)
    let tried = TriedShare(
      path: place.deletingLastPathComponent().appending(path: ".\(place.lastPathComponent).share.json").path,
      increase: increase)
    var share = command.resume ? tried.known ?? 1 : 1
    var last: String?
    var least = Double.infinity
    for _ in 0..<5 {
      var choice = try search.recipe(table, for: .perplexityIncrease(increase), share: share)
      // The same recipe would give the same model.
      while choice.recipe.json.text() == last, share > Self.leastShare {
        share /= 2
        choice = try search.recipe(table, for: .perplexityIncrease(increase), share: share)
      }
      if choice.recipe.json.text() == last { break }
      last = choice.recipe.json.text()
      tried.keep(share)
      var settings = command.settings
      settings.accepts = { $0.perplexityIncrease ?? .infinity <= increase }
      let card = try command.compress(choice.recipe, source, text, settings, pool)
      guard let measured = card.perplexityIncrease, measured > increase else {
        tried.remove()
        return card
      }
      Output.say(
        "the perplexity rose by \(Format.percent(measured)), which is above \(Format.percent(increase)): a larger model is tried"
      )
      least = min(least, measured)
      share *= min(0.9, 0.95 * log(1 + increase) / log(1 + measured))
    }
    tried.remove()
    throw Failure.data(
      "--max-perplexity-increase \(Format.percent(increase)) was not reached: the smallest increase was \(Format.percent(least)); allow more."
    )
  }

  /// Below this share, what is allowed is less than estimates are worth.
  private static let leastShare = 1e-3

  private func show(_ choice: AutomaticRecipe) {
    if command.model.json {
      Output.json([
        "recipe": choice.recipe.json, "training_seconds": .double(command.goal.tuning?.seconds ?? 0),
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
    command.showTuning()
  }
}
