import type { ModelFault } from './model-fault.js'

/** Faults in what clients believe, and in what they do next. */
export const CLIENT_FAULTS: readonly ModelFault[] = [
  {
    name: 'a reply of the KDC is not bound to its request',
    foundAt: 419,
    file: 'shared/exchange/reply.ts',
    from: 'return concatBytes(header(type), sha256(request))',
    to: 'return concatBytes(header(type), sha256(request.subarray(0, 0)))',
  },
  {
    name: 'a client does not compare the MAC of an answer',
    foundAt: 270,
    file: 'shared/exchange/ap.ts',
    from: "if (!isMac(key, 'ap-rep', mac, covered, answered)) {",
    to: "if (!isMac(key, 'ap-rep', mac, covered, answered) && mac.length === 0) {",
  },
  {
    name: "a client does not compare a response's hash",
    foundAt: 102,
    file: 'client/request/response-proof.ts',
    from: 'bindings.some(binding => isSameBinding(binding, actual))',
    to: 'bindings.some(binding => isSameBinding(binding, binding))',
  },
  {
    name: "a response's status is not bound",
    foundAt: 102,
    file: 'shared/http/binding.ts',
    from: 'digestLines([LABEL.HTTP_RESPONSE, String(status), ...values, digestOf(body)])',
    to: "digestLines([LABEL.HTTP_RESPONSE, '200', ...values, digestOf(body)])",
  },
  {
    name: 'a client does not compare the MAC of an error',
    foundAt: 206,
    file: 'shared/encoding/error.ts',
    from: "if (!isMac(key, 'error', mac, covered, requestMac)) {",
    to: "if (!isMac(key, 'error', mac, covered, requestMac) && mac.length === 0) {",
  },
  {
    name: 'a POST is sent again on the word of anybody',
    file: 'client/request/recovery.ts',
    from: "return { next: safe && resendable ? 'renewed' : 'caller' }",
    to: "return { next: resendable && safe !== undefined ? 'renewed' : 'caller' }",
  },
  {
    name: 'what nobody proved is called final',
    foundAt: 117,
    file: 'client/request/recovery.ts',
    from: "if (code !== 'ticket_invalid') return TO_CALLER",
    to: "if (code !== 'ticket_invalid') return { ...TO_CALLER, final: FINAL.has(code) }",
  },
  {
    name: 'what ended long ago is called final',
    foundAt: 1_373,
    file: 'client/request/recovery.ts',
    from: 'return time - endTime < WINDOW.EXPIRED_UNRECORDED',
    to: 'return time - endTime < Number.MAX_SAFE_INTEGER',
  },
]
