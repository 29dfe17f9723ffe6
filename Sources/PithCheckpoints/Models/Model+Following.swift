import PithModels
import PithTensors

extension Model {
  /// Sends a batch through the layers; `body` sees the residual stream before the first and after each.
  package func follow(_ batch: Batch, on pool: ThreadPool, _ body: (Matrix) -> Void) {
    var run = Inference(batch, pool: pool)
    switch self {
    case .decoder(let decoder):
      var x = run.embed(batch.tokens, from: decoder.embedding, scale: decoder.configuration.embeddingScale)
      body(x)
      for index in decoder.layers.indices {
        x = decoder.advance(x, through: index..<(index + 1), &run)
        body(x)
      }
    case .encoder(let encoder):
      var x = encoder.embedded(batch, &run)
      body(x)
      for index in encoder.layers.indices {
        x = encoder.advance(x, through: index..<(index + 1), &run)
        body(x)
      }
    }
  }
}
