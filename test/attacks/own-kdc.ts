export * from '../support/own-kdc.js'
