export * from '../support/folder-realm.js'
