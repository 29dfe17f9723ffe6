import ArgumentParser
import PithCompression
import PithQuantization
import PithTraining
import Synchronization

/// What a user wants who does not want to choose a method.
struct GoalArguments: ParsableArguments {
  @Option(
    help:
      "none: seconds, no text (NF4 with double quantization); some: minutes, with --calibration or text that the model writes (a rotation, then GPTQ in 4 bits, or as --bits and --group-size say); ton: the same, or what a target size or bits find, then training for --time-budget, which pays most at 2 and 3 bits."
  )
  var effort: Effort?

  @Option(help: "How long --effort ton trains, such as 30m or 2h; compressing comes on top (default: 30m).")
  var timeBudget: String?

  @Option(
    help:
      "The most that all weights may take, such as 60MB; storages are chosen matrix by matrix. Targets measure on --calibration, or on text that the model writes first."
  )
  var targetSize: String?

  @Option(help: "The most bits per weight of the layers' matrices, such as 3.2, every byte counted.")
  var targetBits: Double?

  @Option(
    help: "By how much the perplexity may rise, such as 5%, measured on text that calibration does not read.")
  var maxPerplexityIncrease: String?

  /// How much time there is.
  enum Effort: String, ExpressibleByArgument, CaseIterable {
    case none
    case some
    case ton
  }

  var isGiven: Bool { effort != nil || hasTarget }

  var hasTarget: Bool { targetSize != nil || targetBits != nil || maxPerplexityIncrease != nil }

  func validate() throws {
    if timeBudget != nil, effort != .ton {
      throw ValidationError("--time-budget goes with --effort ton: nothing else trains.")
    }
    if let timeBudget, !(TrainingRecipe.seconds(timeBudget) ?? 0 > 0) {
      throw ValidationError("--time-budget must be a time above 0 such as 90s, 30m or 2h.")
    }
    if effort == .ton, maxPerplexityIncrease != nil {
      throw ValidationError(
        "--max-perplexity-increase tries several models, and each would be trained: give --effort ton a size or bits."
      )
    }
    if [targetSize != nil, targetBits != nil, maxPerplexityIncrease != nil].filter({ $0 }).count > 1 {
      throw ValidationError("Give one target: a size, bits, or an increase of the perplexity.")
    }
    if let targetSize, Format.bytes(targetSize) == nil {
      throw ValidationError("--target-size must be a size with its unit, such as 60MB, 700kB or 1.5GiB.")
    }
    if let targetBits, !(targetBits > 0 && targetBits <= 16) {
      throw ValidationError("--target-bits must be above 0 and at most 16.")
    }
    if let text = maxPerplexityIncrease, Format.share(text) == nil {
      throw ValidationError(
        "--max-perplexity-increase must be a share such as 5% or 0.05; from 100% on, write it with a percent sign."
      )
    }
  }

  /// The training behind the compression, if there is one.
  var tuning: Tuning? {
    guard effort == .ton else { return nil }
    let talks = Mutex([Tuning.Stage: TrainingTalk]())
    return Tuning(seconds: TrainingRecipe.seconds(timeBudget ?? "30m")!) { stage, progress in
      let title = stage == .layers ? "train layer by layer" : "train the whole"
      talks.withLock { $0[stage, default: TrainingTalk(title: title)].say(progress) }
    }
  }

  /// The target, if there is one.
  var target: Target? {
    get throws {
      var target: Target?
      if let bytes = targetSize.flatMap({ Format.bytes($0) }) { target = .size(bytes: bytes) }
      if let targetBits { target = .bitsPerWeight(targetBits) }
      if let share = maxPerplexityIncrease.flatMap({ Format.share($0) }) {
        target = .perplexityIncrease(share)
      }
      if target != nil, let effort, effort == .none {
        throw Failure.usage(
          "--effort none reads no text, but a target is searched for by measuring: leave out the effort.")
      }
      return target
    }
  }
}

extension GoalArguments.Effort {
  /// The options of methods that it takes.
  var options: Set<MethodOptions.Name> { self == .none ? [] : [.bits, .groupSize] }

  /// The recipe of an effort.
  func recipe(embeddingBits: Int?, options given: [(name: MethodOptions.Name, text: String)]) throws -> Recipe
  {
    switch self {
    case .none:
      return try Recipe(
        method: .named("nf4")!, options: [(.doubleQuantization, "true")], embeddingBits: embeddingBits)
    case .some, .ton:
      var options = MethodOptions(bits: 4, groupSize: 64, rangeSearch: .squaredError, actOrder: .static)
      for (name, text) in given {
        do throws(MethodOptions.ValueError) { try options.set(name, to: text) } catch {
          throw RecipeError.value(error.description)
        }
      }
      return try Recipe(
        steps: [Recipe.Step(.named("rotate")!), Recipe.Step(.named("gptq")!, options: options)],
        embeddingBits: embeddingBits)
    }
  }
}
