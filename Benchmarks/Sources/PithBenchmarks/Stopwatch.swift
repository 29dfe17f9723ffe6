/// The shortest of many runs of two things that take turns, so that what disturbs one disturbs the other.
func shortestRuns(_ first: () -> Void, _ second: () -> Void) -> (Double, Double) {
  var shortest = (Double.infinity, Double.infinity)
  for _ in 0..<8 {
    shortest.0 = min(shortest.0, shortestRun(atLeast: .milliseconds(25), first))
    shortest.1 = min(shortest.1, shortestRun(atLeast: .milliseconds(25), second))
  }
  return shortest
}

/// The shortest of many runs, in seconds: what the machine can do when nobody disturbs it.
func shortestRun(atLeast total: Duration = .milliseconds(200), _ body: () -> Void) -> Double {
  let clock = ContinuousClock()
  var shortest = clock.measure(body)
  var spent = shortest
  var runs = 1
  while spent < total || runs < 5 {
    let time = clock.measure(body)
    shortest = min(shortest, time)
    spent += time
    runs += 1
  }
  return Double(shortest.components.attoseconds) * 1e-18 + Double(shortest.components.seconds)
}
