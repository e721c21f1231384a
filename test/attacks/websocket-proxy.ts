export * from '../support/websocket-proxy.js'
