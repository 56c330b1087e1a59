# Fits models of ordered categories, and of 0/1 answers by quadrature; writes ordinal.json beside this file.
#   Rscript make_ordinal.R             all cases, three minutes
#   Rscript make_ordinal.R wine -      one case, printed instead of written
# Needs Debian's r-cran-ordinal, r-cran-lme4, r-cran-emmeans, r-cran-numderiv and r-cran-jsonlite. `--data` also
# rewrites wine.csv from ordinal.
suppressPackageStartupMessages({library(ordinal); library(emmeans); library(jsonlite)})
options(warn = 1)
arguments <- commandArgs(trailingOnly = TRUE)
script <- sub("^--file=", "", grep("^--file=", commandArgs(FALSE), value = TRUE))
here <- function(name) file.path(dirname(normalizePath(script)), name)
if ("--data" %in% arguments)
  write.csv(ordinal::wine[c("rating", "temp", "contact", "bottle", "judge")], here("wine.csv"), row.names = FALSE, quote = FALSE)

ordered_as <- list(answer = c("No", "Maybe", "Yes"), grade = c("d", "c", "b", "a"))
simulated <- function(name) {
  file <- here(paste0(name, if (name == "wine") ".csv" else ".csv.gz"))
  frame <- read.csv(file, stringsAsFactors = TRUE)
  for (column in names(ordered_as))
    if (column %in% names(frame)) frame[[column]] <- factor(frame[[column]], ordered_as[[column]], ordered = TRUE)
  if ("rating" %in% names(frame)) frame$rating <- factor(frame$rating, ordered = TRUE)
  for (column in c("judge", "bottle")) if (column %in% names(frame)) frame[[column]] <- factor(frame[[column]])
  frame
}

# clmm stops at some 1e-5 of the log-likelihood and differentiates it coarsely. Newton steps on its own function, with
# its modes found to 1e-10 and Richardson's derivatives, reach the optimum and give the Hessian there.
polished <- function(model) {
  remake <- model$call
  remake$doFit <- FALSE
  remake$control <- list(gradTol = 1e-8, maxIter = 30, maxLineIter = 6, innerCtrl = "noWarn", useMatrix = model$nAGQ == 1)
  rho <- eval(remake, globalenv())
  one <- !is.null(rho$grFac)
  value <- if (one && model$nAGQ > 1) ordinal:::getNAGQ.ssr else if (one) ordinal:::getNLA.ssr else ordinal:::getNLA
  zero <- if (one) rep(FALSE, length(model$optRes$par)) else c(rep(FALSE, length(model$coefficients)), unlist(model$ST) < 1e-3)
  at <- model$optRes$par
  at[zero] <- 0
  whole <- function(free) { par <- at; par[!zero] <- free; value(rho, par) }
  whole(at[!zero]); rho$uStart <- rho$u
  for (k in 1:6) {
    gradient <- numDeriv::grad(whole, at[!zero])
    hessian <- numDeriv::hessian(whole, at[!zero])
    if (max(abs(gradient)) < 1e-7) break
    at[!zero] <- at[!zero] - solve(hessian, gradient)
  }
  p <- length(model$coefficients)
  sd <- if (one) exp(at[-(1:p)]) else at[-(1:p)]
  errors <- rep(NA, length(at))
  errors[!zero] <- sqrt(diag(solve(hessian)))
  model$coefficients[] <- at[1:p]
  model$alpha[] <- at[seq_along(model$alpha)]
  model$beta[] <- at[length(model$alpha) + seq_along(model$beta)]
  model$Theta[] <- model$alpha
  model$Hessian[] <- hessian
  model$logLik <- -whole(at[!zero])
  list(model = model, gradient = max(abs(gradient)), sd = sd, errors = errors[1:p],
       sd_errors = errors[-(1:p)] * if (one) sd else 1)
}
ordinal_case <- function(formula, data, nodes = 1, weights = NULL, keep = FALSE) {
  assign("frame", simulated(data), globalenv())
  call <- substitute(clmm(FORMULA, frame, nAGQ = NODES, control = list(useMatrix = MATRIX)),
                     list(FORMULA = as.formula(formula), NODES = nodes, MATRIX = nodes == 1))
  if (!is.null(weights)) { frame$often <<- eval(parse(text = weights), frame); call$weights <- quote(often) }
  found <- polished(eval(call, globalenv()))
  model <- found$model
  names <- names(model$ST)
  result <- list(formula = formula, data = data, nodes = nodes, rows = nrow(frame), observations = model$dims$nobs,
                 loglik = model$logLik, df = model$edf, gradient = found$gradient,
                 coefficients = list(name = names(model$coefficients), estimate = unname(model$coefficients), standard_error = found$errors),
                 sd = setNames(as.list(found$sd), names), sd_standard_error = setNames(as.list(found$sd_errors), names))
  if (!is.null(weights)) result$weights <- frame$often
  if (keep) list(result = result, model = model) else result
}
plain <- function(x, columns) {
  table <- as.data.frame(summary(x, infer = c(TRUE, TRUE), adjust = "none"))
  table[, intersect(columns, names(table))]
}
with_means <- function(formula, data, by, outcome) {
  found <- ordinal_case(formula, data, keep = TRUE)
  assign("frame", simulated(data), globalenv())
  keys <- c(by, outcome, "contrast", "emmean", "prob", "estimate", "SE", "p.value")
  latent <- emmeans(found$model, as.formula(paste("~", paste(by, collapse = "|"))), mode = "latent")
  shares <- emmeans(found$model, as.formula(paste("~", paste(c(outcome, by), collapse = "*"))), mode = "prob")
  gap <- contrast(shares, "revpairwise", by = c(outcome, by[-1]))
  c(found$result, list(emmeans = list(pairs = plain(contrast(latent, "revpairwise"), keys),
    shares = plain(shares, keys), share_pairs = plain(gap, keys))))
}
# Tests of proportional odds without random effects (clm) and with one random intercept (clmm2).
tight <- clm.control(gradTol = 1e-10)
proportional <- function(formula, data, nominal, covariate = NULL) {
  assign("frame", simulated(data), globalenv())
  model <- eval(substitute(clm(F, data = frame, control = tight), list(F = as.formula(formula))), globalenv())
  table <- nominal_test(eval(substitute(clm(F, data = frame), list(F = as.formula(formula))), globalenv()))  # it drops 'control'
  table <- table[!is.na(table$Df), ]
  free <- eval(substitute(clm(F, nominal = N, data = frame, control = tight),
    list(F = as.formula(covariate), N = as.formula(nominal))), globalenv())
  parts <- summary(free)$coefficients
  list(formula = formula, data = data, loglik = as.numeric(logLik(model)), names = names(coef(model)), estimate = unname(coef(model)),
       standard_error = unname(sqrt(diag(vcov(model)))), term = rownames(table), df = table$Df, lr = table$LRT, p = table[["Pr(>Chi)"]],
       free = list(nominal = nominal, loglik = as.numeric(logLik(free)), names = rownames(parts), estimate = unname(parts[, 1]), standard_error = unname(parts[, 2])))
}
mixed_proportional <- function(location, nominal, data, random) {
  frame <- simulated(data)
  frame$unit <- frame[[random]]
  outcome <- all.vars(as.formula(location))[1]
  fitted <- function(location, nominal) {
    call <- substitute(clmm2(L, random = unit, data = frame, Hess = FALSE, control = clmm2.control(gradTol = 1e-9, innerCtrl = "noWarn", maxIter = 200)),
                       list(L = as.formula(location)))
    if (!is.null(nominal)) call$nominal <- as.formula(nominal)
    eval(call)
  }
  null <- fitted(location, NULL)
  terms <- lapply(names(nominal), function(term) {
    free <- fitted(nominal[[term]], paste("~", term))
    list(term = term, loglik = as.numeric(logLik(free)), df = free$edf - null$edf, lr = 2 * as.numeric(logLik(free) - logLik(null)), sd = unname(free$stDev),
         names = names(free$coefficients), estimate = unname(free$coefficients))
  })
  list(location = location, data = data, random = random, loglik = as.numeric(logLik(null)), sd = unname(null$stDev), terms = terms)
}
quadrature_case <- function(formula, data, nodes, frame = NULL) {
  if (is.null(frame)) frame <- simulated(data)
  control <- lme4::glmerControl(optimizer = "nloptwrap", calc.derivs = FALSE, tolPwrss = 1e-13,
    optCtrl = list(algorithm = "NLOPT_LN_BOBYQA", xtol_abs = 1e-10, xtol_rel = 1e-12, ftol_abs = 1e-13, ftol_rel = 0, maxeval = 20000))
  model <- lme4::glmer(as.formula(formula), frame, binomial, control, nAGQ = nodes)
  deviance <- update(model, devFunOnly = TRUE)
  at <- c(lme4::getME(model, "theta"), lme4::fixef(model))
  for (k in 1:6) {
    gradient <- numDeriv::grad(deviance, at)
    hessian <- numDeriv::hessian(deviance, at)
    if (max(abs(gradient)) < 1e-6) break
    at <- at - solve(hessian, gradient)
  }
  errors <- sqrt(diag(solve(hessian / 2)))
  # The deviance by quadrature leaves out a constant of the data, so the log-likelihood is that of the fit at the optimum.
  loglik <- as.numeric(logLik(model)) - (deviance(at) - deviance(c(lme4::getME(model, "theta"), lme4::fixef(model)))) / 2
  list(formula = formula, data = data, nodes = nodes, loglik = loglik, gradient = max(abs(gradient)),
       coefficients = list(name = names(lme4::fixef(model)), estimate = unname(at[-1]), standard_error = unname(errors[-1])),
       sd = abs(at[[1]]), sd_standard_error = errors[[1]])
}
cbpp <- function(nodes) quadrature_case("cbind(incidence, size - incidence) ~ period + (1 | herd)", "cbpp", nodes,
  transform(read.csv(here("cbpp.csv")), period = factor(period), herd = factor(herd)))
high <- function(nodes) quadrature_case("high ~ arm + dose + (1 | rater)", "ratings", nodes)

text_wine <- "rating ~ temp + contact + (1 | judge)"
text_ratings <- "rating ~ arm + dose + (1 | rater)"
cases <- list(
  wine = function() with_means(text_wine, "wine", c("temp", "contact"), "rating"),
  wine_two = function() ordinal_case("rating ~ temp + contact + (1 | judge) + (1 | bottle)", "wine"),
  wine_weighted = function() ordinal_case(text_wine, "wine", weights = "1 + seq_along(rating) %% 3"),
  wine_7 = function() ordinal_case(text_wine, "wine", 7),
  wine_15 = function() ordinal_case(text_wine, "wine", 15),
  ratings = function() ordinal_case(text_ratings, "ratings"),
  ratings_7 = function() ordinal_case(text_ratings, "ratings", 7),
  ratings_25 = function() ordinal_case(text_ratings, "ratings", 25),
  opinions = function() with_means("answer ~ system * group + (1 | item) + (1 | persona)", "opinions", c("group", "system"), "answer"),
  graded = function() ordinal_case("grade ~ persona + (1 | item) + (1 | item:persona)", "graded"),
  still_opinions = function() ordinal_case("answer ~ group + (1 | item) + (1 | persona)", "still_opinions"),
  proportional_wine = function() proportional("rating ~ temp + contact", "wine", "~ contact", "rating ~ temp"),
  proportional_uneven = function() proportional("answer ~ arm + dose", "uneven", "~ arm", "answer ~ dose"),
  mixed_wine = function() mixed_proportional("rating ~ temp + contact", list(contact = "rating ~ temp"), "wine", "judge"),
  mixed_ratings = function() mixed_proportional("rating ~ arm + dose", list(arm = "rating ~ dose", dose = "rating ~ arm"), "ratings", "rater"),
  cbpp_1 = function() cbpp(1), cbpp_5 = function() cbpp(5), cbpp_25 = function() cbpp(25),
  high_1 = function() high(1), high_5 = function() high(5), high_25 = function() high(25))

only <- intersect(arguments, names(cases))
results <- lapply(cases[if (length(only)) only else names(cases)], function(case) case())
results$versions <- c(list(R = as.character(getRversion())),
  sapply(c("ordinal", "lme4", "emmeans", "numDeriv"), function(name) as.character(packageVersion(name)), simplify = FALSE))
json <- toJSON(results, digits = NA, auto_unbox = TRUE, dataframe = "columns", na = "null", pretty = TRUE)
if ("-" %in% arguments) cat(json) else writeLines(json, here("ordinal.json"))
