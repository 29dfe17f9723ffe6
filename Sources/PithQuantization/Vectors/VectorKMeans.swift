import CPithKernels
import PithTensors
import PithWeights

/// Vectors to cluster. Vector i counts `masses[i]` times, and its components as `weights[i % weights.count]` says.
struct WeightedVectors: Sendable {
  /// The components of a vector.
  let dimension: Int
  /// Vector after vector.
  var values: [Float]
  /// How much each vector counts.
  let masses: [Float]
  /// How much each component counts, for the vectors in turn.
  let weights: [[Float]]

  /// The number of vectors.
  var count: Int { masses.count }
}

/// Vector quantization: the codebook of least squared error is found by k-means, each vector takes the nearest codeword
/// and each codeword becomes the mean of the vectors that took it.
///
/// The start is that of k-means++: a codeword is drawn from the vectors, each as likely as its error so far is large. A
/// codeword that no vector takes starts anew at the vector of the largest cluster that lies farthest out. Sources:
/// Lloyd, *Least squares quantization in PCM*, 1982; Arthur and Vassilvitskii, *k-means++*, SODA 2007.
struct VectorKMeans {
  /// Codewords.
  let codes: Int
  /// Rounds, fewer if no vector changes.
  let iterations: Int
  /// Where random numbers come from.
  let seed: UInt64

  /// The codewords for some vectors, one after the other.
  func fit(_ vectors: WeightedVectors, on pool: ThreadPool) -> [Float] {
    var codewords = start(vectors, on: pool)
    var chosen: [Int32] = []
    for _ in 0..<iterations {
      var (nearest, errors) = nearest(vectors, codewords, on: pool)
      fillEmpty(&nearest, &errors)
      if nearest == chosen { break }
      chosen = nearest
      moveToMeans(&codewords, vectors, chosen)
    }
    return codewords
  }

  /// The nearest codeword of each vector, and the error that it leaves.
  func nearest(
    _ vectors: WeightedVectors, _ codewords: [Float], on pool: ThreadPool
  ) -> (codes: [Int32], errors: [Float]) {
    let dimension = vectors.dimension
    let count = codewords.count / dimension
    let words = Matrix(rows: count, columns: dimension, values: codewords)
    let components = words.transposed.values
    let halfNorms = vectors.weights.map { weights in
      (0..<count).map { word in
        (0..<dimension).reduce(Float(0)) { $0 + weights[$1] * words[word, $1] * words[word, $1] } / 2
      }
    }
    var codes = [Int32](repeating: 0, count: vectors.count)
    var errors = [Float](repeating: 0, count: vectors.count)
    codes.withUnsafeMutableBufferPointer { codes in
      errors.withUnsafeMutableBufferPointer { errors in
        vectors.values.withUnsafeBufferPointer { values in
          pool.forEach(count: vectors.count, grain: 256) { range in
            var costs = [Float](repeating: 0, count: count)
            var weighted = [Float](repeating: 0, count: dimension)
            for index in range {
              let kind = index % vectors.weights.count
              var own: Float = 0
              for j in 0..<dimension {
                let value = values[index * dimension + j]
                weighted[j] = vectors.weights[kind][j] * value
                own += weighted[j] * value
              }
              pith_subtract_products(halfNorms[kind], weighted, components, dimension, count, &costs)
              var least: Float = 0
              codes[index] = Int32(pith_lowest_sum(costs, nil, 0, count, &least))
              errors[index] = max(0, own + 2 * least) * vectors.masses[index]
            }
          }
        }
      }
    }
    return (codes, errors)
  }

  /// Codewords drawn by k-means++; where there are fewer distinct vectors, some are equal.
  private func start(_ vectors: WeightedVectors, on pool: ThreadPool) -> [Float] {
    let dimension = vectors.dimension
    guard vectors.count > 0 else { return [Float](repeating: 0, count: codes * dimension) }
    var random = SeededGenerator(seed: seed)
    var errors = [Float](repeating: .infinity, count: vectors.count)
    var codewords: [Float] = []
    var drawn = Int(random.next() % UInt64(vectors.count))
    for code in 0..<codes {
      let codeword = Array(vectors.values[(drawn * dimension)..<((drawn + 1) * dimension)])
      codewords += codeword
      if code == codes - 1 { break }
      errors.withUnsafeMutableBufferPointer { errors in
        vectors.values.withUnsafeBufferPointer { values in
          pool.forEach(count: vectors.count, grain: 4096) { range in
            for index in range {
              let weights = vectors.weights[index % vectors.weights.count]
              var error: Float = 0
              for j in 0..<dimension {
                let difference = values[index * dimension + j] - codeword[j]
                error += weights[j] * difference * difference
              }
              errors[index] = min(errors[index], error * vectors.masses[index])
            }
          }
        }
      }
      let total = errors.reduce(0.0) { $0 + Double($1) }
      var left = Double(random.uniform()) * total
      drawn =
        errors.firstIndex { error in
          left -= Double(error)
          return left < 0
        } ?? Int(random.next() % UInt64(vectors.count))
    }
    return codewords
  }

  /// Gives each codeword that no vector takes the vector of the largest cluster that has the largest error.
  private func fillEmpty(_ chosen: inout [Int32], _ errors: inout [Float]) {
    var counts = [Int](repeating: 0, count: codes)
    for code in chosen { counts[Int(code)] += 1 }
    for empty in 0..<codes where counts[empty] == 0 {
      let largest = counts.indices.reduce(0) { counts[$1] > counts[$0] ? $1 : $0 }
      guard counts[largest] > 1 else { return }
      let members = chosen.indices.filter { chosen[$0] == Int32(largest) }
      let farthest = members.reduce(members[0]) { errors[$1] > errors[$0] ? $1 : $0 }
      guard errors[farthest] > 0 else { return }
      chosen[farthest] = Int32(empty)
      errors[farthest] = 0
      counts[largest] -= 1
      counts[empty] = 1
    }
  }

  /// Moves each codeword to the weighted mean of its vectors.
  private func moveToMeans(_ codewords: inout [Float], _ vectors: WeightedVectors, _ chosen: [Int32]) {
    let dimension = vectors.dimension
    var sums = [Float](repeating: 0, count: codewords.count)
    var masses = sums
    for index in 0..<vectors.count {
      let (weights, mass) = (vectors.weights[index % vectors.weights.count], vectors.masses[index])
      let start = Int(chosen[index]) * dimension
      for j in 0..<dimension {
        sums[start + j] += mass * weights[j] * vectors.values[index * dimension + j]
        masses[start + j] += mass * weights[j]
      }
    }
    for index in codewords.indices where masses[index] > 0 { codewords[index] = sums[index] / masses[index] }
  }
}
