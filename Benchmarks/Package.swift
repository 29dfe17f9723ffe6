// swift-tools-version: 6.2
import PackageDescription

// A package of its own, so that who depends on Pith does not build it.
let package = Package(
  name: "pith-benchmarks",
  platforms: [.macOS(.v15)],
  dependencies: [.package(name: "pith", path: "..")],
  targets: [
    .executableTarget(
      name: "PithBenchmarks",
      dependencies: [.product(name: "Pith", package: "pith")],
      swiftSettings: [.swiftLanguageMode(.v6), .treatAllWarnings(as: .error)])
  ]
)
