import type { PrincipalKind } from './directory.js'

/** Shapes rather than colours: a service is square, a person round, what only asks a diamond. */
export function Shape({ kind }: { readonly kind: PrincipalKind | 'cluster' }) {
  switch (kind) {
    case 'service':
      return <rect class="map-shape" x="-11" y="-11" width="22" height="22" rx="3" />
    case 'machine':
      return <path class="map-shape" d="M0 -13L13 0L0 13L-13 0Z" />
    case 'cluster':
      return (
        <>
          <circle class="map-shape" r="17" />
          <circle class="map-shape" r="13" />
        </>
      )
    default:
      return <circle class="map-shape" r="12" />
  }
}
