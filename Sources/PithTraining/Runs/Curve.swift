/// Losses against steps, as a picture.
struct Curve {
  /// Of the steps: how many were done, and the loss.
  var learned: [(step: Int, loss: Double)]
  /// Of what is held out.
  var heldOut: [(step: Int, loss: Double)]

  /// The picture, in SVG.
  var svg: String {
    let all = learned + heldOut
    let last = Double(max(1, all.map(\.step).max() ?? 1))
    let (low, high) = (all.map(\.loss).min() ?? 0, all.map(\.loss).max() ?? 1)
    let range = max(high - low, 1e-9)
    func x(_ step: Int) -> Double { 60 + 560 * Double(step) / last }
    func y(_ loss: Double) -> Double { 340 - 310 * (loss - low) / range }
    func line(_ points: [(step: Int, loss: Double)], _ colour: String) -> String {
      let path = points.map { "\(Self.short(x($0.step))) \(Self.short(y($0.loss)))" }.joined(separator: "L")
      return points.isEmpty
        ? "" : #"<path d="M\#(path)" fill="none" stroke="\#(colour)" stroke-width="1.5"/>"#
    }
    var parts = [
      #"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 640 380" font-family="sans-serif" font-size="12">"#,
      #"<rect width="640" height="380" fill="white"/>"#,
    ]
    for share in [0, 0.25, 0.5, 0.75, 1] {
      let level = low + share * range
      parts.append(#"<path d="M60 \#(Self.short(y(level)))h560" stroke="lightgray"/>"#)
      parts.append(
        #"<text x="52" y="\#(Self.short(y(level) + 4))" text-anchor="end">\#(Self.short(level))</text>"#)
      let step = Int(share * last)
      parts.append(#"<text x="\#(Self.short(x(step)))" y="358" text-anchor="middle">\#(step)</text>"#)
    }
    parts += [
      line(learned, "#93c5fd"), line(heldOut, "#dc2626"),
      #"<text x="610" y="24" text-anchor="end" fill="crimson">held out</text>"#,
      #"<text x="610" y="40" text-anchor="end" fill="steelblue">learned from</text>"#,
      #"<text x="340" y="375" text-anchor="middle">steps; loss in nats</text>"#, "</svg>", "",
    ]
    return parts.joined(separator: "\n")
  }

  private static func short(_ value: Double) -> String {
    let hundredths = Int((value * 100).rounded())
    let digits = "\(abs(hundredths) % 100)"
    let sign = hundredths < 0 ? "-" : ""
    return "\(sign)\(abs(hundredths) / 100).\(digits.count < 2 ? "0" : "")\(digits)"
  }
}
