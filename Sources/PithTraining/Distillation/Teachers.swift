import CPithKernels
import PithCheckpoints
import PithModels
import PithTensors

/// A model that can teach: its states are those of any interpreter.
protocol Taught: Transformer {
  /// The states after the last layer: one row per token of the batch.
  func states<O: Operations>(of batch: Batch, _ run: inout O) -> O.Value

  /// The model with the values of parameters.
  func applying(_ parameters: Parameters) -> Self
}

extension Decoder: Taught {
  func states<O: Operations>(of batch: Batch, _ run: inout O) -> O.Value { states(batch.tokens, &run) }

  func applying(_ parameters: Parameters) -> Decoder { parameters.applied(to: self) }
}

extension Encoder: Taught {
  func states<O: Operations>(of batch: Batch, _ run: inout O) -> O.Value { states(batch, &run) }

  func applying(_ parameters: Parameters) -> Encoder { parameters.applied(to: self) }
}

/// What a student learns from: the mean of the probabilities of some models (an ensemble: Freitag et al., arXiv 1702.01802), or of one under
/// many dropout masks (Bulò et al., Dropout distillation, ICML 2016).
struct Teachers<Model: Taught> {
  let models: [Model]
  /// The share that is dropped; 0 for the models as they are.
  var dropout: Float = 0
  /// How many masks are drawn for each batch.
  var samples = 1

  /// Each model, or each of its masks, with its states of a batch.
  ///
  /// - Parameter seed: with the tokens, what masks are drawn from: the same for the same batch.
  func states(of batch: Batch, seed: UInt64, on pool: ThreadPool) -> [(model: Model, states: Matrix)] {
    models.flatMap { model -> [(model: Model, states: Matrix)] in
      guard dropout > 0 else {
        var run = Inference(batch, pool: pool)
        return [(model, model.states(of: batch, &run))]
      }
      let nothing = Parameters(model, where: { _ in false })
      let own = batch.tokens.reduce(seed) { $0 &* 31 &+ UInt64(truncatingIfNeeded: $1) }
      return (0..<samples).map { sample in
        let masks = Dropout(rate: dropout, seed: own &+ UInt64(sample) &* 0xC2B2_AE3D_27D4_EB4F)
        var run = Differentiation(batch, nothing, dropout: masks, pool: pool)
        return (model, model.states(of: batch, &run).value)
      }
    }
  }

  /// Logits whose probabilities at a temperature are the mean of those of some: T · log of the mean of softmax(t/T).
  static func mean(of logits: [Matrix], temperature: Float, on pool: ThreadPool) -> Matrix {
    guard logits.count > 1 else { return logits[0] }
    let columns = logits[0].columns
    return Matrix(rows: logits[0].rows, columns: columns) { target in
      guard let start = target.baseAddress else { return }
      nonisolated(unsafe) let to = start
      pool.forEach(count: logits[0].rows, grain: 1) { range in
        for row in range {
          let sums = UnsafeMutableBufferPointer(start: to + row * columns, count: columns)
          sums.initialize(repeating: 0)
          for matrix in logits {
            var shares = Array(matrix[row: row])
            pith_softmax(&shares, columns, 1 / temperature)
            pith_add(sums.baseAddress!, shares, columns)
          }
          for column in 0..<columns {
            let share = max(sums[column] / Float(logits.count), .leastNormalMagnitude)
            sums[column] = temperature * Float(Elementary.log(Double(share)))
          }
        }
      }
    }
  }
}

extension TrainingRecipe {
  /// Who teaches a student, if anyone does.
  ///
  /// - Parameter check: the model of a path as a teacher; throws if it cannot teach this student.
  func teaching<Student: Taught>(
    _ student: Student, _ check: (String, Model) throws -> Student
  ) throws -> (Teachers<Student>?, PeerExchange<Student>?) {
    guard let distillation else { return (nil, nil) }
    switch distillation.teacher {
    case .models(let paths):
      let models = try paths.map { try check($0, Checkpoint(path: $0).model()) }
      return (Teachers(models: models, dropout: distillation.dropout, samples: distillation.samples), nil)
    case .peers(let peers): return (nil, PeerExchange(peers, of: student))
    }
  }
}

extension TrainingRecipe.Distillation {
  /// The members that teach each other, if they do.
  var peers: TrainingRecipe.Peers? {
    if case .peers(let peers) = teacher { peers } else { nil }
  }
}
