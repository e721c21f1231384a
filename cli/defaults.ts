/** The defaults of the commands. */
export const DEFAULT_DATA = 'orthrus-data'
export const DEFAULT_LISTEN = '127.0.0.1:8750'
export const DEFAULT_KDC = `ws://${DEFAULT_LISTEN}`
