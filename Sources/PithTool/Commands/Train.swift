import ArgumentParser
import Foundation
import PithJSON
import PithTensors
import PithTraining

struct Train: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Trains a model on a text or on texts with classes, as a recipe says.",
    discussion: """
      A recipe is YAML. A new model reads bytes; one that is there goes on learning with its own tokenizer:

        model: {new: {layers: 6, width: 128, heads: 4, feed-forward: 352, context: 256}}
        text: input.txt
        held-out: 0.1          # the last share of the text, to measure with
        window: 256            # tokens
        batch: 16              # windows of a step
        steps: 3000            # or time: 10m
        learning-rate: 1e-3

      An encoder learns classes from lines of a text (or two) and a class, with tabs between them, below a header; a new one \
      from images: lines of pixels and a class with commas between them:

        model: minilm
        labels: train.tsv
        held-out: dev.tsv
        batch: 32
        steps: 2000
        learning-rate: 5e-5

      With sparsity or quantization a part of the layers goes, or becomes integers, while the rest learns to live with it; the \
      output is as small as that:

        sparsity: {method: magnitude, target: 80%}      # or variational
        sparsity: {method: l0, of: heads, target: 60%}  # neurons, layers, weights
        quantization: {bits: 3, group-size: 64}         # layer after layer

      Further keys: parts, optimizer (adamw, momentum), weight-decay, warm-up, decay (cosine, linear, constant), clipping, dropout, \
      label-smoothing, recompute, evaluate-every, keep (last, best), seed. The output is a model's folder with steps.jsonl, loss.svg \
      and training.json beside the weights. A training that was killed goes on with --resume, at most a minute \
      back, and ends in the same bytes if it ends by steps.

        pith train characters.yaml -o characters
        pith generate characters "ROMEO:"
      """)

  @OptionGroup var arguments: TrainingArguments

  func run() throws {
    try arguments.run { recipe throws(TrainingRecipeError) in
      guard recipe.distillation == nil else {
        throw TrainingRecipeError.teacher(isNamed: true)
      }
    }
  }
}

struct Distill: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Trains a smaller model on what a teacher makes of a text or of texts with classes.",
    discussion: """
      The recipe is that of 'pith train', with a teacher:

        model: {layers-of: teacher, every: 2}   # the student: every second layer of the teacher, or any model
        teacher: teacher
        temperature: 2                          # what logits are divided by
        soft: 0.5                               # the share of the teacher's probabilities; the rest is the data's
        hidden: 1                               # encoders: how much states that point elsewhere cost, layer by layer
        labels: train.tsv                       # or text
        held-out: dev.tsv

      Several teachers, teacher: [a, b, c], teach the mean of their probabilities; teacher-dropout: 0.1 that over \
      a teacher's dropout masks. Processes with members: {folder: shared, member: 0, of: 2} teach each other through \
      a folder. Students of other shapes come from 'pith compress': products (svd), tensor trains, masks. What it quantized \
      learns to live with that and stays packed; with by-layer: true each layer in turn first learns to give what the \
      teacher's gives:

        model: small                            # pith compress model -o small --method gptq --bits 2 ...
        teacher: model
        text: notes.txt
        by-layer: true                          # steps of each layer; then again without it, and with soft: 1
        steps: 100
        learning-rate: 1e-4

        pith distill student.yaml -o student
      """)

  @OptionGroup var arguments: TrainingArguments

  func run() throws {
    try arguments.run { recipe throws(TrainingRecipeError) in
      guard recipe.distillation != nil else {
        throw TrainingRecipeError.teacher(isNamed: false)
      }
    }
  }
}

/// What both commands are told.
struct TrainingArguments: ParsableArguments {
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

  @OptionGroup var running: RunningArguments

  func validate() throws {
    if output.isEmpty { throw ValidationError("--output must name the folder that is written.") }
    if resume, force { throw ValidationError("--resume goes on, --force begins anew: give one of them.") }
  }

  /// Trains as the recipe says, if it is one for the command.
  func run(check: (TrainingRecipe) throws(TrainingRecipeError) -> Void) throws {
    let yaml = try readText(self.recipe, for: "RECIPE")
    let recipe: TrainingRecipe
    do throws(TrainingRecipeError) {
      recipe = try TrainingRecipe(yaml: yaml)
      try check(recipe)
    } catch { throw Failure.usage("\(self.recipe): \(error.description)") }
    let training = try TrainingRun(recipe, output: output, pool: running.pool)
    Output.say("\(training.parameterCount) parameters, \(training.summary)")
    if explain {
      Output.result(recipe.json.text(.pretty))
      return
    }
    var talk = TrainingTalk()
    let report = try training.train(resume: resume, force: force) { talk.say($0) }
    if running.json {
      var document: JSONValue = [
        "output": .string(output), "steps": .int(report.steps),
        "validation_loss": .double(report.heldOut.loss), "parameters": .int(report.parameters),
        "seconds": .double(report.seconds),
      ]
      if let accuracy = report.heldOut.accuracy { document["validation_accuracy"] = .double(accuracy) }
      if let divergence = report.heldOut.divergence {
        document["validation_divergence"] = .double(divergence)
      }
      if report.keptSteps != report.steps { document["kept_step"] = .int(report.keptSteps) }
      if !report.notes.isEmpty { document["notes"] = .array(report.notes.map(JSONValue.string)) }
      Output.json(document)
      return
    }
    for note in report.notes { Output.say("note: \(note)") }
    Output.result("validation loss \(Format.number(report.heldOut.loss, 4))")
    if let accuracy = report.heldOut.accuracy { Output.result("accuracy        \(Format.percent(accuracy))") }
    if let divergence = report.heldOut.divergence {
      Output.result("KL divergence   \(Format.number(divergence, 4)) from the teacher")
    }
    let kept = report.keptSteps == report.steps ? "" : ", the best after \(report.keptSteps)"
    Output.result("steps           \(report.steps)\(kept), in \(Format.duration(report.seconds))")
  }
}
