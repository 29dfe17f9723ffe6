/// A name of a variable, as its place in the list of all names that a template mentions.
typealias TemplateName = Int

/// A template after parsing.
struct TemplateProgram: Sendable {
  let body: [TemplateStatement]
  let names: [String]
  /// The place of `loop` among the names, if the template mentions it.
  let loopName: TemplateName?

  init(body: [TemplateStatement], names: [String]) {
    self.body = body
    self.names = names
    loopName = names.firstIndex(of: "loop")
  }
}

/// A statement and the line that it starts on.
struct TemplateStatement: Sendable {
  let line: Int
  let kind: Kind

  indirect enum Kind: Sendable {
    case text(String)
    case output(TemplateExpression)
    case conditional([Branch], otherwise: [TemplateStatement])
    case loop(TemplateLoop)
    case assignment(AssignmentTarget, TemplateExpression)
    /// A `set` whose value is the text between its tags, through a chain of filters.
    case captureAssignment(AssignmentTarget, filters: [FilterUse], body: [TemplateStatement])
    case macro(TemplateMacro)
    /// A call of a macro that can call its `caller`, the text between the tags.
    case callBlock(TemplateMacro, TemplateExpression)
    case filterBlock([FilterUse], body: [TemplateStatement])
    /// `with`: assignments that hold only inside its body.
    case scope([(AssignmentTarget, TemplateExpression)], body: [TemplateStatement])
    /// `generation`: marks what the assistant says, and renders as its body does.
    case generation([TemplateStatement])
    case leaveLoop
    case nextIteration
  }

  struct Branch: Sendable {
    let test: TemplateExpression
    let body: [TemplateStatement]
  }
}

struct TemplateLoop: Sendable {
  let target: AssignmentTarget
  let items: TemplateExpression
  let filter: TemplateExpression?
  let body: [TemplateStatement]
  let otherwise: [TemplateStatement]
}

struct TemplateMacro: Sendable {
  let name: String
  let variable: TemplateName
  let parameters: [Parameter]
  let body: [TemplateStatement]
  /// Which of `varargs`, `kwargs` and `caller` the body mentions: only then does the macro take them.
  let specials: Set<String>

  struct Parameter: Sendable {
    let name: TemplateName
    let standard: TemplateExpression?
  }
}

/// What an assignment writes to.
enum AssignmentTarget: Sendable {
  case name(TemplateName)
  case namespaceAttribute(TemplateName, String)
  case tuple([AssignmentTarget])
}

struct FilterUse: Sendable {
  let name: String
  let arguments: TemplateArguments
}

/// The arguments of a call, a filter or a test.
struct TemplateArguments: Sendable {
  var positional: [TemplateExpression] = []
  var named: [(name: String, value: TemplateExpression)] = []
  /// `*list`: more positional arguments.
  var spread: TemplateExpression?
  /// `**dictionary`: more named arguments.
  var namedSpread: TemplateExpression?
}

/// An expression. Chains of operators of one precedence are flat, so that a long concatenation is not a deep tree.
indirect enum TemplateExpression: Sendable {
  case constant(Value)
  case name(TemplateName)
  case tuple([TemplateExpression])
  case list([TemplateExpression])
  case dictionary([(key: TemplateExpression, value: TemplateExpression)])
  case negation(TemplateExpression)
  case affirmation(TemplateExpression)
  case arithmetic(TemplateExpression, [(operation: ArithmeticOperator, operand: TemplateExpression)])
  case concatenation([TemplateExpression])
  case comparison(TemplateExpression, [(operation: ComparisonOperator, operand: TemplateExpression)])
  case not(TemplateExpression)
  case all([TemplateExpression])
  case any([TemplateExpression])
  case choice(test: TemplateExpression, then: TemplateExpression, otherwise: TemplateExpression?)
  case postfix(TemplateExpression, [PostfixUse])
}

/// What can follow an operand: the chain is applied from left to right.
enum PostfixUse: Sendable {
  case attribute(String)
  case item(TemplateExpression)
  case slice(TemplateExpression?, TemplateExpression?, step: TemplateExpression?)
  case call(TemplateArguments)
  case filter(FilterUse)
  case test(FilterUse, isNegated: Bool)
}

enum ArithmeticOperator: Sendable { case add, subtract, multiply, divide, floorDivide, modulo, power }

enum ComparisonOperator: Sendable {
  case equal, notEqual, less, lessOrEqual, greater, greaterOrEqual, isIn, isNotIn
}
