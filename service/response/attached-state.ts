/**
 * Lets a class keep private fields on an object that another class made. A WeakMap would do the same, but the garbage
 * collector would pay for an entry per request.
 */
export abstract class AttachedState {
  constructor(object: object) {
    // biome-ignore lint/correctness/noConstructorReturn: the fields of the derived class go where this says
    return object
  }
}
