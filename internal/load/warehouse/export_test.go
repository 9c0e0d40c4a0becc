package warehouse

// FileFormat is fileFormat, for tests.
const FileFormat = fileFormat

// Copied is copied, for tests.
var Copied = copied

// StatementTime is statementTime, for tests.
var StatementTime = statementTime
