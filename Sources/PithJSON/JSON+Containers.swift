extension JSON {
  /// The elements of an array in order, or nil when this is something else.
  public var array: Elements? {
    guard node.kind == .array else { return nil }
    return Elements(document: document, index: index + 1, count: node.extent)
  }

  /// The members of an object in the document's order, or nil when this is something else.
  public var object: Members? {
    guard node.kind == .object else { return nil }
    return Members(document: document, index: index + 1, count: node.extent)
  }

  /// The number of elements or members, or nil when this is no container.
  public var count: Int? {
    switch node.kind {
    case .array, .object: node.extent
    default: nil
    }
  }

  /// The value of the member with exactly this name, or nil when there is none or this is no object.
  ///
  /// - Complexity: O(members); to read a large object, go through ``object`` once.
  public subscript(name: String) -> JSON? {
    object?.first { $0.name.isString(name) }?.value
  }

  /// The element at `position`, or nil when the array is shorter or this is no array.
  ///
  /// - Complexity: O(position); to read a large array, go through ``array`` once.
  public subscript(position: Int) -> JSON? {
    guard let array, position >= 0, position < array.count else { return nil }
    return array.dropFirst(position).first { _ in true }
  }

  /// A name and its value in an object.
  public struct Member: Sendable {
    /// The name, as a value of kind string: compare its bytes where exactness matters.
    public let name: JSON
    /// The value.
    public let value: JSON

    /// The name as text.
    public var key: String { name.string ?? "" }
  }

  /// The elements of an array.
  public struct Elements: Sequence, IteratorProtocol, Sendable {
    let document: Document
    var index: Int
    /// How many elements are left.
    public private(set) var count: Int

    init(document: Document, index: Int, count: Int) {
      self.document = document
      self.index = index
      self.count = count
    }

    /// No elements.
    public static var empty: Elements { Elements(document: .empty, index: 0, count: 0) }

    /// The same number as ``count``.
    public var underestimatedCount: Int { count }

    /// The next element.
    public mutating func next() -> JSON? {
      guard count > 0 else { return nil }
      defer {
        index = document.indexAfter(index)
        count -= 1
      }
      return JSON(document: document, index: index)
    }
  }

  /// The members of an object.
  public struct Members: Sequence, IteratorProtocol, Sendable {
    let document: Document
    var index: Int
    /// How many members are left.
    public private(set) var count: Int

    init(document: Document, index: Int, count: Int) {
      self.document = document
      self.index = index
      self.count = count
    }

    /// No members.
    public static var empty: Members { Members(document: .empty, index: 0, count: 0) }

    /// The same number as ``count``.
    public var underestimatedCount: Int { count }

    /// The next member.
    public mutating func next() -> Member? {
      guard count > 0 else { return nil }
      defer {
        index = document.indexAfter(index + 1)
        count -= 1
      }
      return Member(
        name: JSON(document: document, index: index), value: JSON(document: document, index: index + 1))
    }
  }
}

extension Document {
  static let empty = Document(bytes: [], tape: [])
}
