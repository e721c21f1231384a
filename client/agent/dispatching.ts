/**
 * What this client uses of a dispatcher of undici 7. undici is no dependency, so its own types are not named here; they
 * fit these.
 */

/** A dispatcher that others are composed of, such as an `Agent` or a `Pool`. */
export interface Composable<Composed> {
  dispatch(options: never, handler: never): boolean
  compose(interceptor: Interceptor): Composed
}

export type Interceptor = (dispatch: (options: never, handler: never) => boolean) => Dispatch

export type Dispatch = (options: DispatchOptions, handler: DispatchHandler) => boolean

export interface DispatchOptions {
  readonly origin?: string | URL
  readonly path: string
  readonly method: string
  readonly body?: unknown
  readonly headers?: unknown
  readonly query?: Readonly<Record<string, unknown>> | null
  readonly upgrade?: unknown
}

/** What the caller of a dispatcher does to an exchange that runs. */
export interface DispatchController {
  readonly aborted: boolean
  readonly paused: boolean
  readonly reason: Error | null
  abort(reason?: Error): void
  pause(): void
  resume(): void
}

export interface DispatchHandler {
  onRequestStart?(controller: DispatchController, context: unknown): void
  onResponseStart?(
    controller: DispatchController,
    status: number,
    headers: Record<string, string | string[]>,
    statusText?: string,
  ): void
  /** Earlier versions called this, and there are handlers that are still called so, by way of undici 7's own. */
  onHeaders?(status: number, headers: Uint8Array[], resume: () => void, statusText: string): unknown
  onResponseData?(controller: DispatchController, chunk: Uint8Array): void
  onResponseEnd?(controller: DispatchController, trailers: Record<string, string | string[]>): void
  onResponseError?(controller: DispatchController, error: Error): void
}
