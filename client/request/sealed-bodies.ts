/** What seals and opens bodies as they are sent: loaded by the first request that is `sealed`, since few are. */
export { StreamOpener, StreamSealer } from '../../shared/channel/sealed-stream.js'
export { openDownload } from './sealed-download.js'
export { SealedUpload } from './sealed-upload.js'
