import ArgumentParser
import PithCompression
import PithQuantization

/// What a user wants who does not want to choose a method.
struct GoalArguments: ParsableArguments {
  @Option(
    help:
      "none: seconds, no text (NF4 with double quantization); some: minutes, with --calibration or text that the model writes (a rotation, then GPTQ in 4 bits); ton: not yet."
  )
  var effort: Effort?

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

  /// The target, if there is one.
  var target: Target? {
    get throws {
      if effort == .ton { throw Effort.notYet }
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
  static let notYet = Failure.usage(
    "--effort ton will tune what some finds, with scales and codebooks trained against the original's outputs, which pays "
      + "most at 2 and 3 bits. It needs training, which is not there yet: use --effort some.")

  /// The recipe of an effort.
  func recipe(embeddingBits: Int?) throws -> Recipe {
    switch self {
    case .none:
      return try Recipe(
        method: .named("nf4")!, options: [(.doubleQuantization, "true")], embeddingBits: embeddingBits)
    case .some:
      let options = MethodOptions(
        bits: 4, groupSize: 64, rangeSearch: .squaredError, actOrder: .static)
      return try Recipe(
        steps: [Recipe.Step(.named("rotate")!), Recipe.Step(.named("gptq")!, options: options)],
        embeddingBits: embeddingBits)
    case .ton: throw Self.notYet
    }
  }
}
