// swift-tools-version: 6.2
import PackageDescription

// Warnings are errors in our own targets; SwiftPM ignores the setting when Pith is a dependency.
let swift: [SwiftSetting] = [.swiftLanguageMode(.v6), .treatAllWarnings(as: .error)]

func library(_ name: String, _ dependencies: [Target.Dependency]) -> Target {
  .target(name: name, dependencies: dependencies, exclude: ["README.md"], swiftSettings: swift)
}

func tests(_ name: String, _ dependencies: [Target.Dependency]) -> Target {
  .testTarget(
    name: name, dependencies: dependencies + ["PithTestSupport"], swiftSettings: swift)
}

let package = Package(
  name: "pith",
  platforms: [.macOS(.v15), .iOS(.v18)],
  products: [
    .library(name: "Pith", targets: ["Pith"]),
    .library(
      name: "PithCompressionKit",
      targets: ["PithCompression", "PithQuantization", "PithSparsity", "PithFactorization", "PithTraining"]),
    .executable(name: "pith", targets: ["PithTool"]),
  ],
  dependencies: [
    .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.0"),
    .package(url: "https://github.com/apple/swift-crypto", from: "4.5.0"),
    .package(url: "https://github.com/jpsim/Yams", from: "6.2.2"),
    .package(url: "https://github.com/HdrHistogram/hdrhistogram-swift", from: "0.2.0"),
  ],
  targets: [
    // The innermost loops.
    .target(name: "CPithKernels", exclude: ["README.md"], cSettings: [.treatAllWarnings(as: .error)]),

    // From the ground up: a target imports only what stands above it here.
    library("PithTensors", ["CPithKernels"]),
    .systemLibrary(name: "COpenBLAS", providers: [.apt(["libopenblas-dev"])]),
    library(
      "PithLinearAlgebra",
      ["PithTensors", .target(name: "COpenBLAS", condition: .when(platforms: [.linux]))]),
    library("PithWeights", ["PithTensors", "CPithKernels"]),
    library("PithModels", ["PithWeights", "PithTensors", "CPithKernels"]),
    library("PithJSON", []),
    library("PithTokenizers", ["PithJSON"]),
    library(
      "PithCheckpoints", ["PithModels", "PithWeights", "PithTensors", "PithTokenizers", "PithJSON"]),
    library(
      "PithQuantization", ["PithWeights", "PithTensors", "PithLinearAlgebra", "CPithKernels"]),
    library("PithSparsity", ["PithQuantization", "PithWeights", "PithTensors", "PithLinearAlgebra"]),
    library("PithFactorization", ["PithQuantization", "PithWeights", "PithTensors", "PithLinearAlgebra"]),
    library(
      "PithTraining",
      [
        "PithCheckpoints", "PithModels", "PithTokenizers", "PithWeights", "PithTensors", "PithLinearAlgebra",
        "PithJSON", "PithQuantization", "PithSparsity", "CPithKernels",
        .product(name: "Crypto", package: "swift-crypto"), .product(name: "Yams", package: "Yams"),
      ]),
    library("PithGeneration", ["PithModels", "PithTokenizers", "PithTensors"]),
    library(
      "PithEvaluation",
      [
        "PithGeneration", "PithModels", "PithWeights", "PithTokenizers", "PithTensors", "PithJSON",
        .product(name: "Histogram", package: "hdrhistogram-swift"),
      ]),
    library(
      "PithCompression",
      [
        "PithQuantization", "PithSparsity", "PithFactorization", "PithTraining", "PithCheckpoints",
        "PithEvaluation", "PithGeneration", "PithModels", "PithTokenizers", "PithWeights", "PithTensors",
        "PithJSON",
        .product(name: "Crypto", package: "swift-crypto"), .product(name: "Yams", package: "Yams"),
      ]),
    library("Pith", ["PithGeneration", "PithCheckpoints", "PithModels", "PithTokenizers"]),

    // The command line: parses, calls, prints.
    .executableTarget(
      name: "PithTool",
      dependencies: [
        "Pith", "PithCompression", "PithEvaluation", "PithQuantization", "PithSparsity",
        "PithFactorization", "PithTraining",
        .product(name: "ArgumentParser", package: "swift-argument-parser"),
      ],
      exclude: ["README.md"], swiftSettings: swift),

    .target(name: "PithTestSupport", path: "Tests/PithTestSupport", swiftSettings: swift),
    tests("PithWeightsTests", ["PithWeights", "PithTensors", "CPithKernels"]),
    tests("PithLinearAlgebraTests", ["PithLinearAlgebra", "PithTensors", "CPithKernels"]),
    tests("PithModelsTests", ["PithModels", "PithCheckpoints", "PithWeights", "PithTensors", "PithJSON"]),
    tests("PithTokenizersTests", ["PithTokenizers", "PithJSON"]),
    tests(
      "PithCheckpointsTests",
      ["PithCheckpoints", "PithModels", "PithWeights", "PithTensors", "PithJSON", "PithTokenizers"]),
    tests(
      "PithQuantizationTests", ["PithQuantization", "PithWeights", "PithTensors", "PithLinearAlgebra"]),
    tests(
      "PithSparsityTests",
      ["PithSparsity", "PithQuantization", "PithWeights", "PithTensors", "PithLinearAlgebra"]),
    tests(
      "PithFactorizationTests",
      ["PithFactorization", "PithQuantization", "PithWeights", "PithTensors", "PithLinearAlgebra"]),
    tests(
      "PithTrainingTests",
      [
        "PithTraining", "PithCompression", "PithCheckpoints", "PithModels", "PithWeights", "PithTensors",
        "PithLinearAlgebra", "PithJSON", "CPithKernels",
      ]),
    tests(
      "PithCompressionTests",
      [
        "PithCompression", "PithQuantization", "PithCheckpoints", "PithModels", "PithWeights", "PithTensors",
        "PithJSON",
      ]),
    tests("PithEvaluationTests", ["PithEvaluation", "PithGeneration", "PithModels"]),
    tests("PithTests", ["Pith"]),
    tests("PithToolTests", ["PithTool", "PithJSON", "Pith", "PithWeights"]),
  ]
)
