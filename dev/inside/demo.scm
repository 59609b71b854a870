; The GIMP half of dev/demo: one image, three procedures. inside/demo defines before
;   out     the folder with photo.png and noisy.png, which gets the results
;   model   a model's folder, or "" for the one that comes with the plug-in
;   style   a style that the model knows
;   object  outline of a thing to remove: a vector x y x y ... in parts of width and height
;
; SPDX-License-Identifier: GPL-3.0-or-later

(script-fu-use-v3)

(define (path name) (string-append out "/" name))

; ---- time ------------------------------------------------------------------------------

(define (now) (let ((t (gettimeofday))) (+ (car t) (/ (cadr t) 1000000.0))))

(define (timed text run)
  (let* ((start (now)) (result (run)) (tenths (round (* 10 (- (now) start)))))
    (display (string-append "  " (number->string (/ tenths 10.0)) " s  " text))
    (newline)
    result))

; ---- selections, in parts of the picture's width and height ----------------------------

(define (outline image operation parts)
  (let* ((width (gimp-image-get-width image))
         (height (gimp-image-get-height image))
         (points (make-vector (vector-length parts) 0)))
    (do ((i 0 (+ i 1))) ((= i (vector-length parts)))
      (vector-set! points i (* (vector-ref parts i) (if (even? i) width height))))
    (gimp-image-select-polygon image operation points)))

(define (spot image operation x y radius)
  (let ((width (gimp-image-get-width image)) (height (gimp-image-get-height image)))
    (gimp-image-select-ellipse image operation
                               (* (- x radius) width) (- (* y height) (* radius width))
                               (* 2 radius width) (* 2 radius width))))

; Scratches, a fold and dust, as old prints have.
(define (select-damage image)
  (gimp-selection-none image)
  (for-each
   (lambda (line) (outline image CHANNEL-OP-ADD line))
   (list #(0.36 0.30 0.363 0.30 0.418 0.72 0.414 0.72)
         #(0.50 0.22 0.5025 0.22 0.492 0.64 0.489 0.64)
         #(0.62 0.26 0.624 0.26 0.636 0.70 0.633 0.70)
         #(0.33 0.466 0.47 0.449 0.65 0.472 0.65 0.476 0.47 0.454 0.33 0.471)))
  (for-each
   (lambda (dot) (apply spot image CHANNEL-OP-ADD dot))
   '((0.45 0.37 0.008) (0.56 0.33 0.006) (0.47 0.60 0.007)
     (0.58 0.58 0.009) (0.39 0.36 0.005) (0.61 0.42 0.006))))

; ---- layers ----------------------------------------------------------------------------

(define (add-layer image layer name)
  (gimp-image-insert-layer image layer -1 0)
  (gimp-item-set-name layer name)
  layer)

(define (save image name . shown)
  (for-each
   (lambda (layer) (gimp-item-set-visible layer (if (memv layer shown) TRUE FALSE)))
   (vector->list (gimp-image-get-layers image)))
  (gimp-file-save RUN-NONINTERACTIVE image (path name) -1))

; ---- the demonstration -----------------------------------------------------------------

(let* ((image (gimp-file-load RUN-NONINTERACTIVE (path "photo.png")))
       (photo (vector-ref (gimp-image-get-layers image) 0))
       (noisy #f) (damaged #f) (result #f))
  (gimp-item-set-name photo "Photo")

  ; Something is in the way.
  (outline image CHANNEL-OP-REPLACE object)
  (set! result
        (timed "inpaint: a thing removed (plug-in-sdedit-inpaint)"
               (lambda ()
                 (car (plug-in-sdedit-inpaint #:run-mode RUN-NONINTERACTIVE #:image image
                                              #:drawables (vector photo)
                                              #:model model #:grow 1 #:seed 1)))))
  (gimp-selection-none image)
  (save image "removed.png" photo result)

  ; An old print.
  (set! damaged (add-layer image (gimp-layer-copy photo) "Photo, damaged"))
  (select-damage image)
  (gimp-context-set-foreground '(235 230 215))
  (gimp-drawable-edit-fill damaged FILL-FOREGROUND)
  (save image "damaged.png" damaged)
  (set! result
        (timed "inpaint: scratches and dust repaired (plug-in-sdedit-inpaint)"
               (lambda ()
                 (car (plug-in-sdedit-inpaint #:run-mode RUN-NONINTERACTIVE #:image image
                                              #:drawables (vector damaged)
                                              #:model model #:grow 1 #:seed 1)))))
  (gimp-selection-none image)
  (save image "repaired.png" damaged result)

  ; A photo taken in the dark.
  (set! noisy (add-layer image
                         (gimp-file-load-layer RUN-NONINTERACTIVE image (path "noisy.png"))
                         "Photo, noisy"))
  (set! result
        (timed "denoise: noise level estimated (plug-in-sdedit-denoise)"
               (lambda ()
                 (car (plug-in-sdedit-denoise #:run-mode RUN-NONINTERACTIVE #:image image
                                              #:drawables (vector noisy)
                                              #:model model)))))
  (save image "denoised.png" noisy result)

  ; The same place, painted.
  (set! result
        (timed (string-append "restyle: " style " (plug-in-sdedit-restyle)")
               (lambda ()
                 (car (plug-in-sdedit-restyle #:run-mode RUN-NONINTERACTIVE #:image image
                                              #:drawables (vector photo) #:model model
                                              #:style style #:detail 600
                                              #:seed 1)))))
  (save image "restyled.png" photo result)

  (gimp-file-save RUN-NONINTERACTIVE image (path "demo.xcf") -1)
  (display "demo: done") (newline)
  (gimp-image-delete image))
