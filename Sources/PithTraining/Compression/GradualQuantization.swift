import PithQuantization
import PithTensors
import PithWeights

/// Quantization while training goes on: layer after layer is rounded to nearest and stays as it is, and the layers that are left learn to make up for it.
struct GradualQuantization: GradualCompression {
  private let settings: TrainingRecipe.Quantization
  private let parameters: Parameters
  /// The places of the weights of each layer in the list.
  private let layers: [[Int]]
  private let method = CompressionMethod.named("rtn")!
  private let options: MethodOptions

  init(_ settings: TrainingRecipe.Quantization, _ parameters: Parameters) {
    self.settings = settings
    self.parameters = parameters
    layers = Dictionary(grouping: parameters.compressed) { parameters.list[$0].name.layer! }
      .sorted { $0.key < $1.key }.map(\.value)
    var options = method.defaults
    (options.bits, options.groupSize, options.rangeSearch) = (
      settings.bits, settings.groupSize, .squaredError
    )
    self.options = options
  }

  var share: Double {
    Double(layers.count { $0.allSatisfy(parameters.isFrozen) }) / Double(max(1, layers.count))
  }

  mutating func begin(step: Int, share: Double, on pool: ThreadPool) throws(TrainingError) {
    guard step % settings.every == 0 else { return }
    try quantize(settings.schedule.done(share / settings.until), on: pool)
  }

  mutating func finish(on pool: ThreadPool) throws(TrainingError) { try quantize(1, on: pool) }

  private func quantize(_ share: Double, on pool: ThreadPool) throws(TrainingError) {
    let count = Int((share * Double(layers.count)).rounded(.down))
    for place in layers.prefix(count).joined() where !parameters.isFrozen(place) {
      let parameter = parameters.list[place]
      do throws(MethodError) {
        parameters.freeze(place, as: try method.quantize(parameter.value, options: options, on: pool).matrix)
      } catch { throw .cannotCompress("\(parameter.name)", fault: "\(error)") }
    }
  }
}
