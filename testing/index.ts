/** `orthrus/testing`: a realm in one process, for an application's own tests. */

export { createTestClock, type TestClock } from './clock.js'
export { type AllowOptions, startRealm, type TestRealm, type TestRealmOptions } from './realm.js'
