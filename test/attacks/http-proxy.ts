export * from '../support/http-proxy.js'
