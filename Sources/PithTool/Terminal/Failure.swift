import ArgumentParser
import Foundation
import PithCheckpoints
import PithCompression
import PithEvaluation
import PithQuantization
import PithTokenizers
import PithTraining

/// A fault that a command found itself: one sentence and an exit code of sysexits.
struct Failure: Error {
  let sentence: String
  let code: Int32

  /// Wrong usage.
  static func usage(_ sentence: String) -> Failure { Failure(sentence: sentence, code: 64) }
  /// Bad data.
  static func data(_ sentence: String) -> Failure { Failure(sentence: sentence, code: 65) }
  /// No such input.
  static func missing(_ sentence: String) -> Failure { Failure(sentence: sentence, code: 66) }

  /// Says what went wrong on standard error and ends with the exit code for it.
  static func exit(_ error: any Error, of command: any ParsableCommand.Type) -> Never {
    let failure: Failure
    switch error {
    case let error as Failure: failure = error
    case let error as CheckpointError: failure = Failure(sentence: error.description, code: error.exitCode)
    case let error as MethodError: failure = .usage(error.description)
    case let error as RecipeError: failure = .usage(error.description)
    case let error as TargetError: failure = .usage(error.description)
    case let error as CalibrationError: failure = .data(error.description)
    case let error as CompressionError: failure = .data(error.description)
    case let error as TuningError: failure = .data(error.description)
    case let error as TrainingDataError: failure = .data(error.description)
    case let error as TrainingError: failure = .data(error.description)
    case let error as TokenizerError: failure = .data(error.description)
    case let error as ChatTemplateError: failure = .data(error.description)
    default:
      let code = command.exitCode(for: error)
      // Help and version are no faults.
      guard !code.isSuccess else { command.exit(withError: error) }
      failure = Failure(sentence: sentence(command.message(for: error)), code: code.rawValue)
    }
    Output.say("pith: \(failure.sentence)")
    Foundation.exit(failure.code)
  }
}

extension Failure {
  /// What the parser says, as one sentence on one line.
  private static func sentence(_ message: String) -> String {
    var sentence = message.split(separator: "\n").joined(separator: " ")
    while sentence.hasSuffix(".") { sentence.removeLast() }
    // A value such as -3 looks like an option to the parser.
    if sentence.hasPrefix("Missing value for") {
      sentence += "; one that begins with a dash is written with an equals sign, as in --option=-1"
    }
    // All options that are parsed are numbers, or say what they may be.
    if sentence.contains(" is invalid for "), !sentence.contains("Please provide") {
      sentence += "; it must be a number"
    }
    return sentence + "."
  }
}

extension CheckpointError {
  fileprivate var exitCode: Int32 {
    switch self {
    case .missing: 66
    case .badData: 65
    case .cannotCreate: 73
    case .io: 74
    }
  }
}
