/**
 * The number of the form that a whole database has. It rises whenever a kind of record gets a form that an earlier
 * version of orthrus cannot read, so that such a version refuses the database when it opens it, and not in the middle
 * of its work. The record of the realm, which is read first, has it as its form.
 */
export const SCHEMA = 3
