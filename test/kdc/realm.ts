export * from '../support/realm.js'
