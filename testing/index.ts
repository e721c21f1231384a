/** `orthrus/testing`: a realm in one process, for tests of one's own. */

export { createTestClock, type TestClock } from './clock.js'
export { type AllowOptions, startRealm, type TestRealm, type TestRealmOptions } from './realm.js'
