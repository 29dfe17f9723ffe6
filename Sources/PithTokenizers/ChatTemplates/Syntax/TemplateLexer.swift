/// Cuts the source of a template into tokens, and decides which white space around its tags counts.
///
/// The rules are Jinja's with `trim_blocks` and `lstrip_blocks`: the line break after a statement or a comment is
/// dropped, and so is the indentation before one that starts its line; `-` inside a tag drops all white space on that
/// side and `+` keeps it. One line break at the very end of the source is dropped.
struct TemplateLexer {
  private(set) var line = 1
  let source: [Unicode.Scalar]
  var position = 0
  var tokens: [Token] = []
  /// Whether the last tag or text ended in a line break, so that what follows starts a line.
  private var startsLine = true

  init(_ text: String) throws(TemplateFault) {
    guard text.utf8.count <= TemplateLimits.sourceBytes else {
      throw TemplateFault("the source is longer than \(TemplateLimits.sourceBytes) bytes.")
    }
    var scalars: [Unicode.Scalar] = []
    scalars.reserveCapacity(text.utf8.count)
    var previous: Unicode.Scalar?
    for scalar in text.unicodeScalars {
      if scalar == "\r" {
        scalars.append("\n")
      } else if scalar != "\n" || previous != "\r" {
        scalars.append(scalar)
      }
      previous = scalar
    }
    if scalars.last == "\n" { scalars.removeLast() }
    source = scalars
  }

  /// All tokens of the source, ending with `.end`.
  mutating func readAll() throws(TemplateFault) -> [Token] {
    while position < source.count { try readTextAndTag() }
    append(.end)
    return tokens
  }

  mutating func append(_ kind: Token.Kind) { tokens.append(Token(kind: kind, line: line)) }

  /// Moves to `end`, counting the lines passed.
  mutating func advance(to end: Int) {
    for index in position..<end where source[index] == "\n" { line += 1 }
    position = end
  }

  func starts(with text: String, at index: Int) -> Bool {
    var index = index
    for scalar in text.unicodeScalars {
      guard index < source.count, source[index] == scalar else { return false }
      index += 1
    }
    return true
  }

  func skippingSpace(from index: Int) -> Int {
    var index = index
    while index < source.count, source[index].isPythonSpace { index += 1 }
    return index
  }

  private mutating func readTextAndTag() throws(TemplateFault) {
    var tag = position
    while tag < source.count, !isTagStart(tag) { tag += 1 }
    guard tag < source.count else {
      appendText(position..<source.count)
      advance(to: source.count)
      return
    }
    let kind = source[tag + 1]
    appendText(textRange(upTo: tag, isOutput: kind == "{"))
    advance(to: tag)
    let afterSign = tag + 2 + (sign(at: tag + 2) == nil ? 0 : 1)
    if kind == "#" {
      try skipComment(from: afterSign)
    } else if kind == "%", let body = rawBody(at: afterSign) {
      try readRaw(from: body)
    } else {
      append(kind == "{" ? .outputBegin : .statementBegin)
      advance(to: afterSign)
      try readTag(closing: kind == "{" ? .outputEnd : .statementEnd)
    }
    startsLine = source[position - 1] == "\n"
  }

  private func isTagStart(_ index: Int) -> Bool {
    guard source[index] == "{", index + 1 < source.count else { return false }
    return source[index + 1] == "%" || source[index + 1] == "{" || source[index + 1] == "#"
  }

  private func sign(at index: Int) -> Unicode.Scalar? {
    guard index < source.count, source[index] == "-" || source[index] == "+" else { return nil }
    return source[index]
  }

  private mutating func appendText(_ range: Range<Int>) {
    guard !range.isEmpty else { return }
    var text = String.UnicodeScalarView()
    text.append(contentsOf: source[range])
    append(.text(String(text)))
  }

  /// The text from the current position up to the tag at `tag`, less the white space that the tag takes.
  private func textRange(upTo tag: Int, isOutput: Bool) -> Range<Int> {
    var end = tag
    switch sign(at: tag + 2) {
    case "-":
      while end > position, source[end - 1].isPythonSpace { end -= 1 }
    case nil where !isOutput:
      var lineStart = tag
      while lineStart > position, source[lineStart - 1] != "\n" { lineStart -= 1 }
      let isWholeLine = lineStart > position || startsLine
      if isWholeLine, source[lineStart..<tag].allSatisfy(\.isPythonSpace) { end = lineStart }
    default: break
    }
    return position..<end
  }

  /// The index after the end of a statement or comment whose closing delimiter may stand at `index`.
  private func end(ofTag delimiter: String, at index: Int) -> Int? {
    if starts(with: "-" + delimiter, at: index) {
      return skippingSpace(from: index + 1 + delimiter.unicodeScalars.count)
    }
    let start = starts(with: "+" + delimiter, at: index) ? index + 1 : index
    guard starts(with: delimiter, at: start) else { return nil }
    let end = start + delimiter.unicodeScalars.count
    return start == index && end < source.count && source[end] == "\n" ? end + 1 : end
  }

  private mutating func skipComment(from start: Int) throws(TemplateFault) {
    for index in start..<max(start, source.count) {
      if let end = end(ofTag: "#}", at: index) { return advance(to: end) }
    }
    throw TemplateFault("a comment is not closed with '#}'.")
  }

  // MARK: Raw text

  /// Where the body of a raw block starts, if `raw %}` stands at `index`.
  private func rawBody(at index: Int) -> Int? {
    let name = skippingSpace(from: index)
    guard starts(with: "raw", at: name) else { return nil }
    let close = skippingSpace(from: name + 3)
    if starts(with: "-%}", at: close) { return skippingSpace(from: close + 3) }
    return starts(with: "%}", at: close) ? close + 2 : nil
  }

  private mutating func readRaw(from body: Int) throws(TemplateFault) {
    startsLine = source[body - 1] == "\n"
    advance(to: body)
    for index in body..<max(body, source.count) where starts(with: "{%", at: index) {
      let name = skippingSpace(from: index + 2 + (sign(at: index + 2) == nil ? 0 : 1))
      guard starts(with: "endraw", at: name) else { continue }
      guard let end = end(ofTag: "%}", at: skippingSpace(from: name + 6)) else { continue }
      appendText(textRange(upTo: index, isOutput: false))
      return advance(to: end)
    }
    throw TemplateFault("a raw block is not closed with '{% endraw %}'.")
  }

  // MARK: Tags

  /// Reads what stands inside a tag, up to and with its closing delimiter.
  private mutating func readTag(closing: Token.Kind) throws(TemplateFault) {
    var open: [Symbol] = []
    while position < source.count {
      if source[position].isPythonSpace {
        advance(to: skippingSpace(from: position))
      } else if open.isEmpty, let end = endOfTag(closing) {
        append(closing)
        return advance(to: end)
      } else if let symbol = try readExpressionToken() {
        if let closing = symbol.closing {
          open.append(closing)
        } else if symbol.isClosing, open.popLast() != symbol {
          throw TemplateFault("'\(symbol.rawValue)' closes nothing that is open.")
        }
      }
    }
    throw TemplateFault("a tag is not closed with \(closing).")
  }

  private func endOfTag(_ closing: Token.Kind) -> Int? {
    if closing == .statementEnd { return end(ofTag: "%}", at: position) }
    if starts(with: "-}}", at: position) { return skippingSpace(from: position + 3) }
    return starts(with: "}}", at: position) ? position + 2 : nil
  }
}
