import fc from 'fast-check'

/** Whether a property fails is all that a mutant needs; the search for its least example takes a minute. */
fc.configureGlobal({ endOnFailure: true })
