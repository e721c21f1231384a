/**
 * Methods whose requests do no harm if they are handled twice (RFC 9110 section 9.2.1). A client sends such a request
 * again as a new one, and so a service may call one that it had begun to handle `revoked` (docs/protocol.md section 8).
 */
export const SAFE_METHODS: ReadonlySet<string> = new Set(['GET', 'HEAD', 'OPTIONS'])
