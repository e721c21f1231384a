import type { AdministrationMethod } from '../../shared/administration/methods.js'
import type { Value } from '../../shared/encoding/encoding.js'

/** Carries the calls of administration over a channel to `kdc@realm` (docs/protocol.md section 9). */
export interface AdminTransport {
  /** @param options `wait`: how much longer than usual the answer may take, milliseconds */
  call(
    method: AdministrationMethod,
    args: readonly Value[],
    options?: { readonly wait?: number },
  ): Promise<readonly Value[]>
}
