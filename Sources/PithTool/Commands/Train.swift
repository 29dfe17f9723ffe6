import ArgumentParser
import Foundation
import PithJSON
import PithTensors
import PithTraining

struct Train: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Trains a decoder on a text, as a recipe says.",
    discussion: """
      A recipe is YAML. A new model reads bytes; one that is there goes on learning with its own tokenizer:

        model: {new: {layers: 6, width: 128, heads: 4, feed-forward: 352, context: 256}}
        text: input.txt
        held-out: 0.1          # the last share of the text, to measure with
        window: 256            # tokens
        batch: 16              # windows of a step
        steps: 3000            # or time: 10m
        learning-rate: 1e-3

      Further keys: parts, optimizer (adamw, momentum), weight-decay, warm-up, decay (cosine, linear, constant), clipping, dropout, \
      label-smoothing, recompute, evaluate-every, seed. The output is a model's folder with steps.jsonl, loss.svg \
      and training.json beside the weights. A training that was killed goes on with --resume, at most a minute \
      back, and ends in the same bytes if it ends by steps.

        pith train characters.yaml -o characters
        pith generate characters "ROMEO:"
      """)

  @Argument(help: "The recipe, a YAML file.")
  var recipe: String

  @Option(name: [.short, .long], help: "The folder of the trained model.")
  var output: String

  @Flag(help: "Go on where a training of the same recipe was killed.")
  var resume = false

  @Flag(help: "Replace unfinished work, or a model that is there.")
  var force = false

  @Flag(help: "Say what would be trained on what, and do nothing.")
  var explain = false

  @Option(help: "How many threads compute (default: one per core).")
  var threads: Int?

  @Flag(help: "Print one JSON document instead of text.")
  var json = false

  func validate() throws {
    if let threads, !(1...1024).contains(threads) {
      throw ValidationError("--threads must be from 1 to 1024.")
    }
    if resume, force { throw ValidationError("--resume goes on, --force begins anew: give one of them.") }
  }

  func run() throws {
    let yaml = try readText(self.recipe, for: "RECIPE")
    let recipe: TrainingRecipe
    do throws(TrainingRecipeError) { recipe = try TrainingRecipe(yaml: yaml) } catch {
      throw Failure.usage("\(self.recipe): \(error.description)")
    }
    let pool = ThreadPool(threads: threads ?? ThreadPool.availableCores)
    let training = try LanguageModelTraining(recipe, output: output, pool: pool)
    let tokens = training.tokens
    Output.say(
      "\(training.parameterCount) parameters, \(tokens.learned) tokens to learn from, \(tokens.heldOut) held out"
    )
    if explain {
      Output.result(recipe.json.text(.pretty))
      return
    }
    var talk = TrainingTalk()
    let report = try training.train(resume: resume, force: force) { talk.say($0) }
    if json {
      Output.json([
        "output": .string(output), "steps": .int(report.steps),
        "validation_loss": .double(report.heldOutLoss),
        "parameters": .int(report.parameters), "seconds": .double(report.seconds),
      ])
    } else {
      Output.result("validation loss \(Format.number(report.heldOutLoss, 4))")
      Output.result("steps           \(report.steps), in \(Format.duration(report.seconds))")
    }
  }
}

/// A line now and then of how far a training is.
private struct TrainingTalk {
  private let clock = ContinuousClock()
  private let start = ContinuousClock.now
  private var last: ContinuousClock.Instant?
  private var firstShare: Double?

  mutating func say(_ progress: LanguageModelTraining.Progress) {
    let now = clock.now
    let before = firstShare ?? 0
    if firstShare == nil { firstShare = progress.share }
    guard progress.heldOutLoss != nil || last.map({ now - $0 > .seconds(10) }) ?? (now - start > .seconds(2))
    else { return }
    last = now
    let spent = (now - start) / .seconds(1)
    let left = spent * (1 - progress.share) / max(1e-9, progress.share - before)
    var line = "step \(progress.step): loss \(Format.number(progress.loss, 3))"
    if let loss = progress.heldOutLoss { line += ", validation loss \(Format.number(loss, 4))" }
    line += ", \(Format.number(progress.tokensPerSecond, 0)) tokens/s, \(Format.duration(left)) left"
    Output.say(line)
  }
}
