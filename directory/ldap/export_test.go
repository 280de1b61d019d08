package ldap

// Failure is failure, for the tests.
var Failure = failure
