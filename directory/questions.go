package directory

import "reforest/migrate"

// Questions returns the source objects that were matched, and what is left open about
// them.
func (s *Staging) Questions() (looked []migrate.GUID, open []Question) {
	for _, c := range s.chosen {
		looked = append(looked, c.source.GUID)
		if question, ok := QuestionOf(c.pair, c.err); ok {
			open = append(open, question)
		}
	}
	return looked, open
}
