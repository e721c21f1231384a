/** What seals and opens bodies as they are sent: loaded by the first request that is `sealed`, since few are. */
export { StreamSealer } from '../../shared/channel/sealed-stream.js'
export { openSealed } from './sealed-response.js'
export { SealedUpload } from './sealed-upload.js'
