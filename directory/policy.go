package directory

// A Policy says how the values of an attribute at the source and at the target go
// together when a target object is staged.
type Policy string

// The policies.
const (
	Keep  Policy = "keep"  // what the target has stays; only an attribute without a value is filled
	Force Policy = "force" // the source's values replace the target's, also with nothing
	Merge Policy = "merge" // the target gets the values that it lacks, and keeps its own
	Omit  Policy = "omit"  // the attribute is left alone
)
