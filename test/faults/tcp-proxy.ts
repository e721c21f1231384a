export * from '../support/tcp-proxy.js'
