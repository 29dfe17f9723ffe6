extension Value {
  /// Python's `==`.
  func equals(_ other: Value, _ budget: inout TemplateBudget) throws(TemplateFault) -> Bool {
    try budget.spend(4)
    switch (self, other) {
    case (.null, .null), (.undefined, .undefined): return true
    case (.string(let left), .string(let right)):
      try budget.spend(left.utf8.count / 64)
      return left.isSame(as: right)
    case (.list(let left), .list(let right)), (.tuple(let left), .tuple(let right)):
      guard left.elements.count == right.elements.count else { return false }
      for (a, b) in zip(left.elements, right.elements) {
        guard try a.equals(b, &budget) else { return false }
      }
      return true
    case (.dictionary(let left), .dictionary(let right)): return try Value.equal(left, right, &budget)
    case (.range(let left), .range(let right)):
      return left.count == right.count
        && (left.count == 0 || left.start == right.start && (left.count == 1 || left.step == right.step))
    case (.iterator(let left), .iterator(let right)), (.namespace(let left), .namespace(let right)),
      (.loop(let left), .loop(let right)), (.macro(let left), .macro(let right)):
      return left == right
    case (.function(let left), .function(let right)): return left == right
    default: return Value.compareNumbers(self, other) == .same
    }
  }

  private static func equal(
    _ left: ValueDictionary, _ right: ValueDictionary, _ budget: inout TemplateBudget
  ) throws(TemplateFault) -> Bool {
    guard left.count == right.count else { return false }
    for (key, value) in zip(left.keys, left.values) {
      guard let other = right[try ValueKey(key)], try value.equals(other, &budget) else { return false }
    }
    return true
  }

  enum Order { case before, same, after, unordered }

  private static func compareNumbers(_ left: Value, _ right: Value) -> Order? {
    if let a = left.asInt, let b = right.asInt { return a < b ? .before : a == b ? .same : .after }
    guard let a = left.asDouble, let b = right.asDouble else { return nil }
    return a < b ? .before : a == b ? .same : a > b ? .after : .unordered
  }

  /// How the value is ordered against another, as Python's `<` and `>` see it.
  func order(_ other: Value, _ budget: inout TemplateBudget) throws(TemplateFault) -> Order {
    try budget.spend(4)
    if let order = Value.compareNumbers(self, other) { return order }
    switch (self, other) {
    case (.string(let left), .string(let right)):
      try budget.spend(min(left.utf8.count, right.utf8.count) / 64)
      return left.precedes(right) ? .before : left.isSame(as: right) ? .same : .after
    case (.list(let left), .list(let right)), (.tuple(let left), .tuple(let right)):
      for (a, b) in zip(left.elements, right.elements) where try !a.equals(b, &budget) {
        return try a.order(b, &budget)
      }
      let (a, b) = (left.elements.count, right.elements.count)
      return a < b ? .before : a == b ? .same : .after
    default:
      try checkDefined()
      try other.checkDefined()
      throw TemplateFault("'\(typeName)' and '\(other.typeName)' cannot be ordered.")
    }
  }

  /// The values in ascending order, or in descending order; equal ones stay as they are.
  static func sorted(
    _ values: [(key: Value, value: Value)], descending: Bool, _ budget: inout TemplateBudget
  ) throws(TemplateFault) -> [Value] {
    var source = values
    var width = 1
    while width < source.count {
      var merged: [(key: Value, value: Value)] = []
      merged.reserveCapacity(source.count)
      for start in stride(from: 0, to: source.count, by: 2 * width) {
        let middle = min(start + width, source.count)
        let end = min(start + 2 * width, source.count)
        var (left, right) = (start, middle)
        while left < middle, right < end {
          let takesRight =
            try source[right].key.order(source[left].key, &budget) == (descending ? .after : .before)
          merged.append(source[takesRight ? right : left])
          if takesRight { right += 1 } else { left += 1 }
        }
        merged += source[left..<middle]
        merged += source[right..<end]
      }
      source = merged
      width *= 2
    }
    return source.map(\.value)
  }
}
