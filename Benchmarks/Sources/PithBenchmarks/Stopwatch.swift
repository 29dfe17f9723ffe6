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
